"""The peer protocol: each node tells its neighbours its table, when it changes and now and then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from appliance.api.peer_protocol import Answer, NotConnected, PeerProtocolServices, TooMuch
from hearsay_routing import table
from hearsay_routing.news import News

if TYPE_CHECKING:
    from hearsay_routing.settings import ProtocolSettings

TABLE = "table"
"""The only kind of message."""
SETTLE = 0.2
"""Seconds in which changes gather before they are told."""


class Hearsay:
    """Speaks for one node."""

    def __init__(self, settings: ProtocolSettings, services: PeerProtocolServices) -> None:
        self._every = float(settings.every)
        self._services = services
        self.news = News.of(services)
        self._telling = False
        self.news.protocol = self._tell_soon
        services.spawn(self._again_and_again(), "tell the table")

    def on_connected(self, peer: str) -> None:
        """It knows nothing of us yet."""
        self._tell(peer)

    def on_gone(self, peer: str) -> None:
        """What it told is no way any more."""
        if self.news.table.forget(peer):
            self.news.changed()

    def on_message(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> None:
        """A table; anything else is none of ours."""
        del body
        if kind != TABLE:
            return
        try:
            routes = table.read(content)
        except ValueError:
            return
        if self.news.table.hear(peer, routes):
            self.news.changed()

    async def on_request(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> Answer | None:
        """There are only messages."""

    async def _again_and_again(self) -> None:
        while True:
            await self._services.sleep(self._every * (0.75 + 0.5 * self._services.jitter()))
            if self.news.table.turn():
                self.news.changed()
            self._tell_all()

    def _tell_soon(self) -> None:
        if not self._telling:
            self._telling = True
            self._services.spawn(self._settle(), "tell changes")

    async def _settle(self) -> None:
        await self._services.sleep(SETTLE)
        self._telling = False
        self._tell_all()

    def _tell_all(self) -> None:
        for peer in sorted(self._services.peers()):
            self._tell(peer)

    def _tell(self, peer: str) -> None:
        try:
            self._services.send(peer, TABLE, table.written(self.news.table.offer(peer)))
        except (NotConnected, TooMuch):
            return  # it is told again in a moment
