"""The control half: UDP sockets are made here, kept out of the overlay, and given to the carrier; the worker gets the end of a
socket pair. So no byte of a stranger is looked at in this process."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from appliance.api.transport import Adopted
from appliance.api.values import Endpoint
from appliance.api.zones import from_kernel, numbered, to_kernel
from appliance_transport_quic.carrying import Carrier
from appliance_transport_quic.trains import DATAGRAM

if TYPE_CHECKING:
    from appliance.api.services import Stats
    from appliance.api.transport import TransportServices
    from appliance_transport_quic.settings import QuicSettings

SCHEME: Final = "quic"
PAIR_BYTES: Final = 1 << 20
"""Between worker and carrier, each way: some milliseconds at a gigabit."""
BUFFER_BYTES: Final = 8 << 20
"""Room outside for a burst while the carrier gets no processor."""
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IPV6_MTU_DISCOVER = 10, 2, 23
CALL_SECONDS: Final = 3.0
"""How long a call may take, in which four first packets are sent: where no QUIC passes, the next endpoint is to have its turn."""
AGAIN_SECONDS: Final = 1.0
"""Between two starts of a listener's carrier that ends by itself."""


class Quic:
    """A `Transport` of `appliance.api.transport`."""

    def __init__(self, settings: QuicSettings, services: TransportServices) -> None:
        self._services = services
        self.calling = Carrier(_for_carrier(settings, listens=False))
        self.answering = Carrier(_for_carrier(settings, listens=True), self._has_ended)
        self._listener: socket.socket | None = None
        self._local: Endpoint | None = None
        self._dialled = self._connected = 0

    async def listen(self, at: Endpoint) -> Endpoint:
        """Take connections at `at`. Raises OSError if another process has the port, or if the certificate cannot be read."""
        sock = self._socket(at.host)
        try:
            sock.bind(to_kernel(at.host, at.port))
            local = Endpoint(SCHEME, *from_kernel(sock.getsockname()), at.authority)
            await self._answer(sock, local)
        except BaseException:
            sock.close()
            raise
        self._listener, self._local = sock, local
        return local

    async def dial(self, to: Endpoint, timeout: float) -> Adopted:
        """Call `to`. Raises OSError or TimeoutError."""
        name, _, _ = (to.authority or to.host).rpartition(":") if to.authority else (to.host, "", "")
        seconds = min(timeout, CALL_SECONDS)
        async with asyncio.timeout(timeout):
            outside = self._socket(to.host)
            ours, theirs = _pair()
            try:
                outside.connect(to_kernel(to.host, to.port))
                local = from_kernel(outside.getsockname())
                await self.calling.call(outside, theirs, name.strip("[]"), to.authority or f"{to.host}:{to.port}", seconds)
                self._services.exempt(ours)
            except BaseException:
                outside.close()
                theirs.close()
                ours.close()
                raise
        self._dialled += 1
        return Adopted(ours, Endpoint(SCHEME, *local), to, listener=False, driver_options=self._options(listener=False))

    async def connect(self, local: Endpoint, to: Endpoint) -> Adopted | None:
        """A pair of its own for the peer at `to`, which came in through the listener."""
        if self._listener is None:
            return None
        ours, theirs = _pair()
        try:
            await self.answering.attach(numbered(to_kernel(to.host, to.port)), theirs)
            self._services.exempt(ours)
        except OSError:  # it is gone, or never came: there is nobody to go on with
            ours.close()
            return None
        except BaseException:
            ours.close()
            raise
        self._connected += 1
        return Adopted(ours, local, to, listener=False, driver_options=self._options(listener=False))

    async def close(self) -> None:
        """Stop listening. Links that were handed over end too, since they go through the carrier."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        await self.calling.close()
        await self.answering.close()

    def stats(self) -> Stats:
        """Links so far. What the carrier counts is explained in docs/quic.md."""
        counted = Counter(self.calling.figures) + Counter(self.answering.figures)
        figures: dict[str, Any] = {"listening": int(self._listener is not None), "dialled": self._dialled}
        return figures | {"connected": self._connected} | {f"carrier_{name}": counted[name] for name in sorted(counted)}

    def _has_ended(self) -> None:
        if self._listener is not None:
            self._services.spawn(self._answer_again(), f"answer {self._local} again")

    async def _answer_again(self) -> None:
        """The carrier ended by itself, and the listener's link with it."""
        while self._listener is not None and self._local is not None:
            with suppress(OSError):
                await self._answer(self._listener, self._local)
                return
            await self._services.sleep(AGAIN_SECONDS)

    async def _answer(self, sock: socket.socket, local: Endpoint) -> None:
        ours, theirs = _pair()
        try:
            await self.answering.listen(sock, theirs)
            self._services.exempt(ours)
        except BaseException:
            ours.close()
            raise
        self._services.adopt(Adopted(ours, local, None, listener=True, driver_options=self._options(listener=True)))

    def _socket(self, host: str) -> socket.socket:
        v6 = ":" in host
        sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._services.exempt(sock)
            sock.settimeout(0)
            for plain, forced in ((socket.SO_SNDBUF, SO_SNDBUFFORCE), (socket.SO_RCVBUF, SO_RCVBUFFORCE)):
                try:
                    sock.setsockopt(socket.SOL_SOCKET, forced, BUFFER_BYTES)
                except PermissionError:
                    sock.setsockopt(socket.SOL_SOCKET, plain, BUFFER_BYTES)
            if v6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_DO)
            else:
                sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        except BaseException:
            sock.close()
            raise
        return sock

    def _options(self, *, listener: bool) -> dict[str, int | str]:
        return {"datagram": min(DATAGRAM, self._services.datagram_bytes or DATAGRAM), "listener": int(listener)}


def _pair() -> tuple[socket.socket, socket.socket]:
    """The worker's end, and the carrier's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.settimeout(0)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PAIR_BYTES)
    return ours, theirs


def _for_carrier(settings: QuicSettings, *, listens: bool) -> dict[str, Any]:
    def text(path: object) -> str | None:
        return str(path) if path is not None else None

    return {
        "authorities": text(settings.authorities),
        "verify": settings.verify,
        "certificate": text(settings.certificate),
        "key": text(settings.key),
        "listens": listens,
    }
