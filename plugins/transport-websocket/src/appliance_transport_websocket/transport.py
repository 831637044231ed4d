"""The control half: TCP connections, made or accepted here, become WebSockets in the carrier, and the worker gets the end of a
socket pair. So no byte of a stranger is looked at in this process."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from appliance.api.sockets import StreamListeners, connect, family_of
from appliance.api.transport import Adopted
from appliance.api.values import Endpoint
from appliance.api.zones import from_kernel
from appliance_transport_websocket.carrying import Carrier
from appliance_transport_websocket.place import PORT, place_at
from appliance_transport_websocket.proxy import proxy_for

if TYPE_CHECKING:
    from appliance.api.services import Stats
    from appliance.api.transport import SocketAddress, TransportServices
    from appliance_transport_websocket.settings import WebSocketSettings

SCHEME: Final = "wss"
BACKLOG: Final = 1024
HANDSHAKE_SECONDS: Final = 10.0
"""How long a stranger may take for TLS and the upgrade."""
MOST_STRANGERS: Final = 256
"""Handshakes at a time. Who comes then is sent away, and comes again."""
PAIR_BYTES: Final = 1 << 20
"""Between worker and carrier, each way: some milliseconds at a gigabit."""


class WebSocket:
    """A `Transport` of `appliance.api.transport`."""

    def __init__(
        self, settings: WebSocketSettings, services: TransportServices, *, handshake_seconds: float = HANDSHAKE_SECONDS
    ) -> None:
        self._services = services
        self._proxy = settings.proxy.get_secret_value() if settings.proxy is not None else None
        self._handshake_seconds = handshake_seconds
        self.carrier = Carrier(_for_carrier(settings))
        self._listeners = StreamListeners(services, BACKLOG)
        self._strangers = self._accepted = self._dialled = 0

    async def listen(self, at: Endpoint) -> Endpoint:
        """Accept WebSockets at `at`. Raises OSError if another process has the port, or if the certificate cannot be read."""
        place = place_at(at)
        await self.carrier.start()

        def take(sock: socket.socket, source: SocketAddress) -> bool:
            return self._take(sock, source, place.path)

        return self._listeners.listen(at._replace(port=at.port or (PORT if at.authority else 0)), take)

    def _take(self, sock: socket.socket, source: SocketAddress, path: str) -> bool:
        if self._strangers >= MOST_STRANGERS:
            return False
        self._strangers += 1
        self._services.spawn(self._answer(sock, Endpoint(SCHEME, *source), path), f"websocket of {source[0]}")
        return True

    async def dial(self, to: Endpoint, timeout: float) -> Adopted:
        """Call `to`, through the proxy if there is one. Raises OSError or TimeoutError."""
        try:
            place = place_at(to)
            proxy = proxy_for(place, to.host, self._proxy, os.environ)
        except ValueError as error:
            raise OSError(str(error)) from error
        async with asyncio.timeout(timeout):
            await self.carrier.start()
            if proxy is None:
                outside = await self._connect(to.host, place.port)
            else:
                outside = await self._to_proxy(proxy.host, proxy.port, proxy.shown)
            local = from_kernel(outside.getsockname())
            ours, theirs = _pair()
            try:
                await self.carrier.call(outside, theirs, place, proxy, timeout)
                self._services.exempt(ours)
            except BaseException:
                ours.close()
                raise
        self._dialled += 1
        return Adopted(ours, Endpoint(SCHEME, *local), to, listener=False, driver_options={})

    async def connect(self, local: Endpoint, to: Endpoint) -> Adopted | None:
        """Nothing to do: a stream has a socket of its own from the start."""
        del local, to
        return None

    async def close(self) -> None:
        """Stop listening. Links that were handed over end too, since they go through the carrier."""
        self._listeners.close()
        await self.carrier.close()

    def stats(self) -> Stats:
        """Connections so far. `refused` are those of strangers that the node would not have; `ended_HOW` are the others' ends."""
        figures: dict[str, Any] = {
            "listening": len(self._listeners),
            "accepted": self._accepted,
            "refused": self._listeners.refused,
        }
        ended = {f"ended_{how}": count for how, count in sorted(self.carrier.ended.items())}
        return figures | {"dialled": self._dialled, **ended}

    async def _connect(self, host: str, port: int) -> socket.socket:
        sock = socket.socket(family_of(host), socket.SOCK_STREAM)
        try:
            self._services.exempt(sock)
            sock.settimeout(0)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await connect(sock, Endpoint(SCHEME, host, port))
        except BaseException:
            sock.close()
            raise
        return sock

    async def _to_proxy(self, host: str, port: int, shown: str) -> socket.socket:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return await self._connect(from_kernel(found[0][4])[0], port)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
            raise OSError(f"the proxy {shown} cannot be reached: {reason.lower()}") from error

    async def _answer(self, sock: socket.socket, remote: Endpoint, path: str) -> None:
        ours, theirs = _pair()
        try:
            with suppress(OSError):  # it is gone again
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            local = Endpoint(SCHEME, *from_kernel(sock.getsockname()))
            await self.carrier.answer(sock, theirs, path, self._handshake_seconds)
            self._services.exempt(ours)
        except OSError:  # counted by the carrier; whose fault it is, is a stranger's business
            ours.close()
        except BaseException:
            ours.close()
            raise
        else:
            self._accepted += 1
            self._services.adopt(Adopted(ours, local, remote, listener=False, driver_options={}))
        finally:
            self._strangers -= 1


def _pair() -> tuple[socket.socket, socket.socket]:
    """The worker's end, and the carrier's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for end in (ours, theirs):
        end.settimeout(0)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PAIR_BYTES)
    return ours, theirs


def _for_carrier(settings: WebSocketSettings) -> dict[str, Any]:
    def text(path: object) -> str | None:
        return str(path) if path is not None else None

    return {
        "authorities": text(settings.authorities),
        "verify": settings.verify,
        "certificate": text(settings.certificate),
        "key": text(settings.key),
    }
