"""Registers the event export `nats`."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from appliance.api.api_parts import ApiServices
from appliance.api.event_exports import EventExport, ExportKind
from appliance.api.hookspecs import hookimpl

if TYPE_CHECKING:
    from appliance_export_nats.settings import NatsSettings

conformance: dict[str, dict[str, Any]] = {"nats": {"needs": "a NATS server"}}


def _settings() -> type[NatsSettings]:
    from appliance_export_nats.settings import NatsSettings

    return NatsSettings


def _open(settings: NatsSettings, services: ApiServices) -> AbstractAsyncContextManager[EventExport]:
    from appliance_export_nats.export import opened

    return opened(settings, services)


@hookimpl
def appliance_event_exports() -> tuple[ExportKind, ...]:
    """One kind."""
    return (ExportKind("nats", _settings, _open, ("nats",)),)
