"""The control half of UDP: listening, dialling, and a connected socket for each peer that came in.

Connected sockets share the listener's address by SO_REUSEPORT; the kernel prefers them for their peer's datagrams, so the worker
reads each peer from a socket of its own and sends without looking up a route each time.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Final

from appliance.api.sockets import bound, family_of
from appliance.api.transport import Adopted
from appliance.api.values import Endpoint
from appliance.api.zones import from_kernel, to_kernel
from appliance_transport_ip.sockets import only_peers_have

if TYPE_CHECKING:
    from appliance.api.services import Stats
    from appliance.api.transport import TransportServices

SCHEME: Final = "udp"
DATAGRAM: Final = 1400
"""Bytes of UDP payload. With IPv6 and PPPoE headers it still fits into an Ethernet frame."""
BUFFER_BYTES: Final = 8 << 20
"""Room for a burst of a hundred super-packets while the worker gets no processor."""
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_MTU = 10, 2, 14
IPV6_MTU_DISCOVER, IPV6_MTU = 23, 24


class Udp:
    """A `Transport` of `appliance.api.transport`."""

    def __init__(self, services: TransportServices) -> None:
        self._services = services
        self._listening = self._dialled = self._connected = 0

    async def listen(self, at: Endpoint) -> Endpoint:
        """Take datagrams at `at`. Raises OSError (EADDRINUSE) if another process has the port."""
        with socket.socket(family_of(at.host), socket.SOCK_DGRAM) as probe:  # SO_REUSEPORT would share it with a twin of ours
            try:
                bound(probe, at)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or not only_peers_have(at.port):  # peers that came in here before may still do
                    raise
        sock = self._socket(at)
        local = Endpoint(SCHEME, *from_kernel(sock.getsockname()))
        self._services.adopt(Adopted(sock, local, None, listener=True, driver_options=self._options(sock)))
        self._listening += 1
        return local

    async def dial(self, to: Endpoint, timeout: float) -> Adopted:
        """A socket connected to `to`. Nothing is sent yet, so this takes no time and proves nothing."""
        del timeout
        sock = self._socket(None, to)
        self._dialled += 1
        return self._connect(sock, to)

    async def connect(self, local: Endpoint, to: Endpoint) -> Adopted | None:
        """A socket of its own for the peer at `to`, which came in through the listener at `local`."""
        sock = self._socket(local)
        self._connected += 1
        return self._connect(sock, to)

    async def close(self) -> None:
        """Nothing is kept here."""

    def stats(self) -> Stats:
        """Sockets that were made; `connected` are those of peers that came in."""
        return {"listening": self._listening, "dialled": self._dialled, "connected": self._connected}

    def _connect(self, sock: socket.socket, to: Endpoint) -> Adopted:
        try:
            sock.connect(to_kernel(to.host, to.port))
        except OSError:
            sock.close()
            raise
        local = Endpoint(SCHEME, *from_kernel(sock.getsockname()))
        return Adopted(sock, local, to, listener=False, driver_options=self._options(sock))

    def _socket(self, at: Endpoint | None, to: Endpoint | None = None) -> socket.socket:
        family = family_of((at or to or Endpoint(SCHEME, "0.0.0.0", 1)).host)
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._services.exempt(sock)
            sock.settimeout(0)
            for plain, forced in ((socket.SO_SNDBUF, SO_SNDBUFFORCE), (socket.SO_RCVBUF, SO_RCVBUFFORCE)):
                try:
                    sock.setsockopt(socket.SOL_SOCKET, forced, BUFFER_BYTES)
                except PermissionError:
                    sock.setsockopt(socket.SOL_SOCKET, plain, BUFFER_BYTES)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_DO)
            else:
                sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
            if at is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                bound(sock, at)
        except OSError:
            sock.close()
            raise
        return sock

    def _options(self, sock: socket.socket) -> dict[str, int | str]:
        return {"datagram": self._datagram(sock), "adapts": int(self._services.datagram_bytes is None)}

    def _datagram(self, sock: socket.socket) -> int:
        """Bytes in a datagram: what the profile says; otherwise what the route takes, at most DATAGRAM."""
        wanted = self._services.datagram_bytes
        if wanted is not None:
            return wanted
        v6 = sock.family == socket.AF_INET6
        try:
            mtu = sock.getsockopt(socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP, IPV6_MTU if v6 else IP_MTU)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
            return DATAGRAM
        return min(DATAGRAM, mtu - (48 if v6 else 28))
