"""Registers the event export `mqtt`."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from appliance.api.api_parts import ApiServices
from appliance.api.event_exports import EventExport, ExportKind
from appliance.api.hookspecs import hookimpl

if TYPE_CHECKING:
    from appliance_export_mqtt.settings import MqttSettings

conformance: dict[str, dict[str, Any]] = {"mqtt": {"needs": "an MQTT broker"}}


def _settings() -> type[MqttSettings]:
    from appliance_export_mqtt.settings import MqttSettings

    return MqttSettings


def _open(settings: MqttSettings, services: ApiServices) -> AbstractAsyncContextManager[EventExport]:
    from appliance_export_mqtt.export import opened

    return opened(settings, services)


@hookimpl
def appliance_event_exports() -> tuple[ExportKind, ...]:
    """One kind."""
    return (ExportKind("mqtt", _settings, _open, ("aiomqtt",)),)
