"""Registers the event export `webhook`."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from appliance.api.api_parts import ApiServices
from appliance.api.event_exports import EventExport, ExportKind
from appliance.api.hookspecs import hookimpl

if TYPE_CHECKING:
    from appliance_export_webhook.settings import WebhookSettings

conformance: dict[str, dict[str, Any]] = {
    "webhook": {
        "needs": "a web server",
        "settings": {"url": "https://hooks.example.net/", "secret": "file:/etc/appliance/webhook"},
    }
}


def _settings() -> type[WebhookSettings]:
    from appliance_export_webhook.settings import WebhookSettings

    return WebhookSettings


def _open(settings: WebhookSettings, services: ApiServices) -> AbstractAsyncContextManager[EventExport]:
    from appliance_export_webhook.export import opened

    return opened(settings, services)


@hookimpl
def appliance_event_exports() -> tuple[ExportKind, ...]:
    """One kind."""
    return (ExportKind("webhook", _settings, _open),)
