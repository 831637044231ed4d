"""The export: a batch of events is one request."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from appliance.api.api_parts import ApiServices
from appliance.api.event_exports import ExportedEvent
from appliance_export_webhook.posting import post
from appliance_export_webhook.settings import WebhookSettings
from appliance_export_webhook.signature import headers_of, key_of


class WebhookExport:
    """`api.event_exports.EventExport`."""

    def __init__(self, settings: WebhookSettings, key: bytes, services: ApiServices) -> None:
        self._settings = settings
        self._key = key
        self._services = services
        secure = urlsplit(settings.url).scheme == "https"
        self._trust = ssl.create_default_context(cafile=settings.authorities) if secure else None

    async def send(self, events: Sequence[ExportedEvent]) -> None:
        """See the protocol."""
        chosen = [event for event in events if self._settings.wants(event.kind)]
        if not chosen:
            return
        body = b'{"node": %s, "events": [%s]}' % (
            json.dumps(self._services.node).encode(),
            b", ".join(event.document for event in chosen),
        )
        message = f"{self._services.identity}-{chosen[0].id}-{chosen[-1].id}"
        headers = {
            "content-type": "application/json",
            "user-agent": "appliance",
            **headers_of(self._key, message, int(self._services.wall()), body),
        }
        await asyncio.to_thread(post, self._settings.url, body, headers, self._trust)


@asynccontextmanager
async def opened(settings: WebhookSettings, services: ApiServices) -> AsyncIterator[WebhookExport]:
    """The export. Raises Refused for a secret that is none."""
    yield WebhookExport(settings, key_of(await services.secret(settings.secret)), services)
