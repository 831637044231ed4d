"""The server: every connection, the one clock that all share, and what the switchboard wants done."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib import resources
from typing import Final

from websockets.datastructures import MultipleValuesError
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from appliance.api.servers import ServerServices
from appliance.api.services import Stats
from appliance_server_signalling.connection import Connection, page
from appliance_server_signalling.elsewhere import Elsewhere
from appliance_server_signalling.limits import Waiting
from appliance_server_signalling.settings import SignallingSettings
from appliance_server_signalling.switchboard import (
    GOING_AWAY,
    Appeared,
    Ask,
    Close,
    Link,
    Rules,
    Seek,
    Send,
    Switchboard,
    Vanished,
)

PATH: Final = "/p2p-signaling"
UPGRADE_SECONDS: Final = 10.0
"""For a whole request."""
UNFINISHED_SECONDS: Final = 10.0
"""For the rest of a message that has begun."""
UNREAD_SECONDS: Final = 10.0
"""For a peer to read what waits for it."""
MOST_UNFINISHED: Final = 256
"""Peers with a message that is not complete, and peers that do not read: each keeps memory busy. Of more the first is cut off."""
CLOSING_SECONDS: Final = 3.0
"""For a peer to answer that it is over."""
UNFINISHED, SLOW = "unfinished_message", "slow_reader"
"""What is counted."""
LAST_SECONDS: Final = 2.0
"""The same when the server ends."""


class SignallingServer:
    """`api.servers.Server`."""

    def __init__(self, settings: SignallingSettings, token: bytes, services: ServerServices) -> None:
        self._settings = settings
        self._services = services
        self._board = Switchboard(Rules(settings.messages, settings.listing, token, settings.per_address), services.random)
        self.elsewhere = Elsewhere(services, self._board, self._act, self.now)
        self._by_link: dict[Link, Connection] = {}
        self._all: set[Connection] = set()
        self._page = resources.files(__package__).joinpath("page.html").read_text() if settings.page else ""
        self._empty = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._upgrading: Waiting[Connection] = Waiting(UPGRADE_SECONDS)
        self._unfinished: Waiting[Connection] = Waiting(UNFINISHED_SECONDS, MOST_UNFINISHED)
        self._unread: Waiting[Connection] = Waiting(UNREAD_SECONDS, MOST_UNFINISHED)
        self._closing: Waiting[Connection] = Waiting(CLOSING_SECONDS)
        self.counted: Counter[str] = self._board.counted

    def now(self) -> float:
        """Seconds of the loop's clock."""
        return self._loop.time()

    def stats(self) -> Stats:
        """See `api.services.HasStats`."""
        own = {"connections": self._board.connections, "peers": self._board.peers, "held": self._board.held}
        return {**dict(self.counted.most_common(48)), **own}

    def connection(self) -> Connection:
        """For the next that is let in."""
        return Connection(self)

    async def run(self) -> None:
        """Have a look each second, for ever."""
        while True:
            await asyncio.sleep(1)
            now = self.now()
            self._board.due(now)
            self._act()
            self._cut_off(self._upgrading, "no_request")
            self._cut_off(self._unfinished, UNFINISHED)
            self._cut_off(self._unread, SLOW)
            for each in [*self._closing.late(now)]:
                each.cut()

    async def close(self) -> None:
        """Tell all that it is over, and end."""
        for each in [*self._all]:
            self.left(each)
            each.close(GOING_AWAY, "the server ends, or begins anew: come back in a moment")
        if self._all:
            self._empty.clear()
            try:
                async with asyncio.timeout(LAST_SECONDS):
                    await self._empty.wait()
            except TimeoutError:
                for each in [*self._all]:
                    each.cut()

    def came(self, connection: Connection) -> None:
        """A connection was let in."""
        self._all.add(connection)
        self._upgrading.begin(connection, self.now())

    def judge(self, protocol: ServerProtocol, request: Request, at: str, *, secure: bool) -> Response | None:
        """The answer to a request that is not upgraded; None: it may be."""
        path = request.path.partition("?")[0]
        if path == "/" and self._page:
            return page(protocol, self._page)
        if path != PATH:
            return protocol.reject(HTTPStatus.NOT_FOUND, f"WebRTC signalling is at {PATH}\n")
        try:
            host, origin = request.headers.get("Host"), request.headers.get("Origin")
        except MultipleValuesError:
            return protocol.reject(HTTPStatus.BAD_REQUEST, "one Host and one Origin\n")
        if not host:
            return protocol.reject(HTTPStatus.BAD_REQUEST, "a Host is needed\n")
        if not self._may(host, origin, at, secure=secure):
            self.counted["wrong_origin"] += 1
            return protocol.reject(
                HTTPStatus.FORBIDDEN, "pages of this origin may not connect: name it in `origins`, if they may\n"
            )
        return None

    def upgraded(self, connection: Connection, host: str, address: str) -> Link:
        """It speaks WebSocket from now on."""
        self._upgrading.end(connection)
        link = self._board.connected(host, address, self.now())
        self._by_link[link] = connection
        return link

    def heard(self, link: Link, size: int) -> bool:
        """A frame came. May it be looked at?"""
        may = self._board.heard(link, size, self.now())
        if not may:
            self._act()
        return may

    def said(self, link: Link, text: str) -> None:
        """A message came."""
        self._board.said(link, text, self.now())
        self._act()

    def waits_for_more(self, connection: Connection, *, unfinished: bool) -> None:
        """Is there a message of which something is missing?"""
        if unfinished:
            self._unfinished.begin(connection, self.now())
            self._cut_off(self._unfinished, UNFINISHED)
        else:
            self._unfinished.end(connection)

    def is_behind(self, connection: Connection, *, behind: bool) -> None:
        """Is more written than it reads?"""
        if behind:
            self._unread.begin(connection, self.now())
            self._cut_off(self._unread, SLOW)
        else:
            self._unread.end(connection)

    def left(self, connection: Connection) -> None:
        """It takes part no more, and has to close."""
        self._forget(connection)
        self._closing.begin(connection, self.now())

    def lost(self, connection: Connection) -> None:
        """It has ended."""
        self._all.discard(connection)
        for waiting in (self._upgrading, self._unfinished, self._unread, self._closing):
            waiting.end(connection)
        self._forget(connection)
        if not self._all:
            self._empty.set()

    def _cut_off(self, waiting: Waiting[Connection], why: str) -> None:
        for each in [*waiting.late(self.now())]:
            self.counted[why] += 1
            each.cut()

    def _may(self, host: str, origin: str | None, at: str, *, secure: bool) -> bool:
        allowed = self._settings.origins
        return "*" in allowed or origin in allowed or self._services.is_own_page(host, origin, at, secure=secure)

    def _forget(self, connection: Connection) -> None:
        link, connection.link = connection.link, None
        if link is not None:
            del self._by_link[link]
            self._board.gone(link, self.now())
            self._act()

    def _act(self) -> None:
        effects = self._board.effects
        while effects:
            self._board.effects = []
            for effect in effects:
                match effect:
                    case Send(link, text):
                        if (to := self._by_link.get(link)) is not None:
                            to.send(text)
                    case Ask(link):
                        if (to := self._by_link.get(link)) is not None:
                            to.ping()
                    case Close(link, code, reason):
                        if (to := self._by_link.get(link)) is not None:
                            self.left(to)
                            to.close(code, reason)
                    case Seek(link, peer, text):
                        self.elsewhere.seek(link, peer, text)
                    case Appeared(peer):
                        self.elsewhere.appeared(peer)
                    case Vanished(peer):
                        self.elsewhere.vanished(peer)
            effects = self._board.effects


@asynccontextmanager
async def opened(settings: SignallingSettings, services: ServerServices) -> AsyncGenerator[SignallingServer]:
    """See `api.servers.ServerKind`. Raises ApplianceError when the token cannot be read."""
    token = b"" if settings.token is None else await services.secret(settings.token)
    server = SignallingServer(settings, token, services)
    services.spawn(server.run(), "signalling")
    services.spawn(server.elsewhere.announce(), "tell who is here")
    services.spawn(server.elsewhere.listen(), "hear from other members")
    try:
        yield server
    finally:
        await server.close()
