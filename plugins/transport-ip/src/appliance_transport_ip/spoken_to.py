"""Which of this host's addresses each peer spoke to, on a socket bound to all of them (ip(7), RFC 3542 section 6).

A reply must leave from that address, because the peer's connected socket takes datagrams from no other. Left alone, the kernel
takes an address of the interface that the reply leaves by.

    struct in_pktinfo  { int ifindex; in_addr spec_dst; in_addr addr; }      struct in6_pktinfo { in6_addr addr; int ifindex; }
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Final

from appliance.api import zones

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.api.transport import SocketAddress

IP_PKTINFO, IPV6_RECVPKTINFO, IPV6_PKTINFO = 8, 49, 50
ANCILLARY: Final = socket.CMSG_SPACE(20)
"""Room for the longer of the two structures."""
MOST: Final = 4096
"""Peers that are remembered. A reply follows within milliseconds, so a flood of strangers does not push out a peer that still
waits for one."""

_v4 = struct.Struct("=i4s4s")
_v6 = struct.Struct("=16si")

Message = tuple[int, int, bytes]


class SpokenTo:
    """The addresses that the peers of one socket spoke to. For a socket bound to 0.0.0.0 or [::]."""

    def __init__(self, sock: socket.socket) -> None:
        self._v6 = sock.family == socket.AF_INET6
        self._replies: dict[SocketAddress, list[Message]] = {}
        if self._v6:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)

    def heard(self, source: SocketAddress, ancillary: Sequence[Message]) -> None:
        """A datagram came from `source`; recvmsg(2) gave `ancillary` with it."""
        for message in ancillary:
            if message[0] != socket.SOL_UDP:
                reply = self._reply(message[2])
                if self._replies.get(source) != [reply]:
                    self._remember(source, reply)

    def told(self, source: SocketAddress, local: str) -> None:
        """`source` spoke to this address, as another process heard."""
        if self.of(source) != local:
            if self._v6:
                address, interface = zones.split(local)
                info = _v6.pack(socket.inet_pton(socket.AF_INET6, address), interface)
            else:
                info = _v4.pack(0, socket.inet_pton(socket.AF_INET, local), bytes(4))
            self._remember(source, self._reply(info))

    def reply_to(self, to: SocketAddress) -> list[Message]:
        """What sendmsg(2) needs so that a datagram leaves from the address that `to` spoke to; empty if that is not known."""
        return self._replies.get(to, [])

    def of(self, source: SocketAddress) -> str | None:
        """The address that `source` spoke to; None if it is not known."""
        for _, _, info in self._replies.get(source, ()):
            if self._v6:
                address, interface = _v6.unpack(info)
                text = socket.inet_ntop(socket.AF_INET6, address)
                return f"{text}%{interface}" if interface else text
            return socket.inet_ntop(socket.AF_INET, _v4.unpack(info)[1])
        return None

    def forget(self, source: SocketAddress) -> bool:
        """Let the kernel choose: this host may no longer have the address. False if none was known."""
        return self._replies.pop(source, None) is not None

    def _reply(self, info: bytes) -> Message:
        if self._v6:
            address, interface = _v6.unpack(info)
            scope = interface if address[:2] == b"\xfe\x80" else 0  # others may leave by any interface
            return socket.IPPROTO_IPV6, IPV6_PKTINFO, _v6.pack(address, scope)
        return socket.IPPROTO_IP, IP_PKTINFO, _v4.pack(0, _v4.unpack(info)[1], bytes(4))

    def _remember(self, source: SocketAddress, reply: Message) -> None:
        self._replies.pop(source, None)
        if len(self._replies) >= MOST:
            del self._replies[next(iter(self._replies))]
        self._replies[source] = [reply]


def is_bound_to_all(sock: socket.socket) -> bool:
    """Is it bound to every address of its family?"""
    return sock.getsockname()[0] in ("0.0.0.0", "::")
