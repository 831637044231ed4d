"""TCP connections and connected UDP sockets of this network namespace, whoever has them: found by their port here, and ended.

struct inet_diag_req_v2  { u8 family, protocol, ext, pad; u32 states; struct inet_diag_sockid id; }          linux/inet_diag.h
struct inet_diag_msg     { u8 family, state, timer, retrans; struct inet_diag_sockid id; u32 …[5]; }
struct inet_diag_sockid  { be16 sport, dport; be32 src[4], dst[4]; u32 if; u32 cookie[2]; }
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

from appliance.linux.rtnetlink import ask

_SOCK_DIAG: Final = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY, _DESTROY = 20, 21
_LIVE: Final = 0xFFF & ~(1 << 3 | 1 << 6 | 1 << 7 | 1 << 10)
"""All states of TCP but SYN_RECV, TIME_WAIT, CLOSE and LISTEN. A UDP socket that is connected counts as established."""
_head: Final = struct.Struct("=BBBBI")
_ID_AT, _ID_BYTES = 4, 48
_ADDRESS_AT: Final = 4 + 16
SECONDS: Final = 1.0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Far(NamedTuple):
    """The far end of one."""

    address: Address
    port: int
    datagrams: bool


class Ended(NamedTuple):
    """What came of ending some."""

    ended: int
    refused: int
    """The kernel would not: it was built without INET_DIAG_DESTROY, or this process may not."""


def at_port(port: int) -> dict[Far, bytes]:
    """All that have this port here, each with what the kernel tells it from others by. Raises OSError."""
    found = {}
    wanted = struct.pack("!HH", port, 0) + bytes(_ID_BYTES - 4)
    for family, size in ((socket.AF_INET, 4), (socket.AF_INET6, 16)):
        for protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
            request = _head.pack(family, protocol, 0, 0, _LIVE) + wanted
            for kind, body in ask(_BY_FAMILY, request, dump=True, protocol=_SOCK_DIAG, patience=SECONDS):
                ident = body[_ID_AT : _ID_AT + _ID_BYTES]
                here, far = struct.unpack_from("!HH", ident)
                if kind == _BY_FAMILY and here == port:
                    address = ipaddress.ip_address(ident[_ADDRESS_AT : _ADDRESS_AT + size])
                    end = Far(address, far, datagrams=protocol == socket.IPPROTO_UDP)
                    found[end] = _head.pack(family, protocol, 0, 0, _LIVE) + ident
    return found


def end(idents: Iterable[bytes]) -> Ended:
    """End those that `at_port` gave: both sides are told. One that has ended meanwhile does not matter. Raises OSError."""
    ended = refused = 0
    for ident in idents:
        for _, body in ask(_DESTROY, ident, protocol=_SOCK_DIAG, patience=SECONDS, acknowledged=True):
            code = -int.from_bytes(body[:4], "little", signed=True)
            ended, refused = ended + (code == 0), refused + (code in _REFUSED)
    return Ended(ended, refused)


_REFUSED: Final = frozenset({1, 22, 95})  # EPERM, EINVAL, EOPNOTSUPP
