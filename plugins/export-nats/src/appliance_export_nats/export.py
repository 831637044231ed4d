"""The export: one connection, and an event is sent when a stream has kept it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import nats
from nats.aio.client import Client
from nats.errors import Error
from nats.js.errors import NoStreamResponseError

from appliance.api.api_parts import ApiServices
from appliance.api.event_exports import ExportedEvent
from appliance.api.management import Refused
from appliance_export_nats.settings import NatsSettings

SECONDS: Final = 10.0
"""For an answer of the server."""


class NatsExport:
    """`api.event_exports.EventExport`."""

    def __init__(self, client: Client, settings: NatsSettings, identity: str) -> None:
        self._client = client
        self._stream = client.jetstream(timeout=SECONDS) if settings.jetstream else None
        self._subject = settings.subject
        self._identity = identity

    async def send(self, events: Sequence[ExportedEvent]) -> None:
        """See the protocol."""
        try:
            if self._stream is None:
                for event in events:
                    await self._client.publish(self._of(event), event.document)
                await self._client.flush(round(SECONDS))
                return
            for event in events:  # one after the other, so that the stream has them in order whatever fails
                headers = {"Nats-Msg-Id": f"{self._identity}-{event.id}"}
                await self._stream.publish(self._of(event), event.document, headers=headers)
        except NoStreamResponseError as error:
            raise Refused(
                f"no stream of NATS takes {self._subject}.>",
                hint=f"nats stream add --subjects '{self._subject}.>' EVENTS, or jetstream: false",
            ) from error
        except (TimeoutError, Error) as error:
            raise Refused(f"NATS did not take an event: {error}", hint="look at its log; it is sent again") from error

    def _of(self, event: ExportedEvent) -> str:
        return f"{self._subject}.{event.kind}"


@asynccontextmanager
async def opened(settings: NatsSettings, services: ApiServices) -> AsyncIterator[NatsExport]:
    """The export, while there is a connection. Raises Refused."""

    async def said(error: Exception) -> None:
        services.report(f"NATS: {str(error) or type(error).__name__}")

    async def back() -> None:
        services.report("")

    wanted: dict[str, Any] = {"user": settings.user}
    for key in ("password", "token"):
        if reference := getattr(settings, key):
            wanted[key] = (await services.secret(reference)).decode()
    if settings.speaks_tls:
        wanted["tls"] = ssl.create_default_context(cafile=settings.authorities)
    try:
        client = await nats.connect(
            [f"{'tls' if settings.speaks_tls else 'nats'}://{server}" for server in settings.servers],
            name=f"appliance {services.node}",
            error_cb=said,
            reconnected_cb=back,
            max_reconnect_attempts=1,  # of each server; then it is opened anew
            reconnect_time_wait=1,
            connect_timeout=round(SECONDS),
            **wanted,
        )
    except (TimeoutError, Error, OSError) as error:
        raise Refused(f"NATS cannot be reached: {str(error) or type(error).__name__}", hint="see its log") from error
    try:
        yield NatsExport(client, settings, services.identity)
    finally:
        await client.close()
