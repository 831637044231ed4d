"""The sockets on which a node answers questions for names.

A socket is bound to the overlay's device besides its address: what comes over the wire to the node's overlay address, in the
clear, reaches nobody. This host's own packets to that address count as coming over that device, too: Linux has them come from
the device of the route that says the address is local (`ip_route_output_key_hash_rcu`).
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from contextlib import ExitStack
from typing import Final, NamedTuple

from appliance.errors import HostError
from appliance.runtime.peers.table import Address

PORT: Final = 53
IP_FREEBIND, IPV6_FREEBIND = 15, 78
"""linux/in.h, linux/in6.h: the address may come later, so a port in use is found before the host is changed."""
WITHOUT: Final = "or do without: `names: {host: off}` in the profile"
HINTS: Final = {
    errno.EADDRINUSE: f"let the name server that has it (`ss -lnp sport = :53`) leave out this address, {WITHOUT}",
    errno.EACCES: f"give the process CAP_NET_BIND_SERVICE, {WITHOUT}",
}
WAITING: Final = 32
"""Connections that wait to be accepted."""


class Bound(NamedTuple):
    """A port by both protocols."""

    udp: socket.socket
    tcp: socket.socket

    def attach(self, device: str) -> None:
        """From now on only what comes over `device`. Once: to move to another one takes CAP_NET_RAW, which a node has not. Raises
        OSError."""
        for each in self:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")

    def close(self) -> None:
        """Give the port back."""
        self.udp.close()
        self.tcp.close()


def bind(address: Address, port: int = PORT) -> Bound:
    """Listen at `address`, which need not be there yet. Raises HostError."""
    try:
        with ExitStack() as made:
            udp = made.enter_context(_bound(socket.SOCK_DGRAM, address, port))
            tcp = made.enter_context(_bound(socket.SOCK_STREAM, address, port))
            tcp.listen(WAITING)
            made.pop_all()
            return Bound(udp, tcp)
    except OSError as error:
        hint = HINTS.get(error.errno or 0, "")
        raise HostError(f"names cannot be answered at {address} port {port}: {error.strerror}", hint=hint) from error


def _bound(kind: socket.SocketKind, address: Address, port: int) -> socket.socket:
    ipv6 = isinstance(address, ipaddress.IPv6Address)
    made = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if ipv6:
            made.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        else:
            made.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
        if kind is socket.SOCK_STREAM:  # connections of a node before this one may linger
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((str(address), port))
    except BaseException:
        made.close()
        raise
    return made
