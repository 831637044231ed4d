"""The export: one connection; an event is sent when the broker has acknowledged it (MQTT 5, section 4.3.2)."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiomqtt import Client, MqttError, ProtocolVersion

from appliance.api.api_parts import ApiServices
from appliance.api.event_exports import ExportedEvent
from appliance.api.management import Refused
from appliance_export_mqtt.settings import MqttSettings

SECONDS: Final = 10.0
"""For an answer of the broker."""
AT_LEAST_ONCE: Final = 1


class MqttExport:
    """`api.event_exports.EventExport`."""

    def __init__(self, client: Client, topic: str) -> None:
        self._client = client
        self._topic = topic

    async def send(self, events: Sequence[ExportedEvent]) -> None:
        """See the protocol."""
        try:
            for event in events:
                topic = f"{self._topic}/{event.kind.replace('.', '/')}"
                await self._client.publish(topic, event.document, qos=AT_LEAST_ONCE, timeout=SECONDS)
        except MqttError as error:
            raise Refused(f"the MQTT broker did not take an event: {error}", hint="look at its log; it is sent again") from error


@asynccontextmanager
async def opened(settings: MqttSettings, services: ApiServices) -> AsyncIterator[MqttExport]:
    """The export, while there is a connection. Raises Refused."""
    wanted: dict[str, Any] = {"username": settings.user, "identifier": settings.client}
    if settings.password is not None:
        wanted["password"] = (await services.secret(settings.password)).decode()
    if settings.speaks_tls:
        wanted["tls_context"] = ssl.create_default_context(cafile=settings.authorities)
    client = Client(settings.host, settings.at_port, protocol=ProtocolVersion.V5, timeout=SECONDS, **wanted)
    try:
        await client.__aenter__()
    except (MqttError, OSError) as error:
        raise Refused(f"the MQTT broker cannot be reached: {error}", hint="see its log") from error
    try:
        yield MqttExport(client, settings.topic)
    finally:
        try:
            await client.__aexit__(None, None, None)
        except MqttError:  # it was gone before
            services.report("")
