"""Link-local addresses name their interface behind a percent sign: `fe80::1%eth0` (RFC 4007, section 11).

Socket calls want the interface's number as a fourth part instead, and take a bare pair to mean no interface at all. Everything
but socket calls uses the text.
"""

from __future__ import annotations

import socket
from typing import Any

from appliance.api.transport import SocketAddress


def to_kernel(host: str, port: int) -> tuple[Any, ...]:
    """What bind(2), connect(2) and sendmsg(2) take for an address literal. Raises OSError when there is no such interface."""
    address, interface = split(host)
    return (address, port, 0, interface) if interface else (host, port)


def from_kernel(name: tuple[Any, ...]) -> SocketAddress:
    """What accept(2), getsockname(2) and recvmsg(2) gave, the interface by name."""
    if len(name) == 4 and name[3]:
        return with_zone(name[0], name[3]), name[1]
    return name[0], name[1]


def split(host: str) -> tuple[str, int]:
    """The address without its zone, and the number of its interface; 0 when it names none. Raises OSError as `to_kernel`."""
    address, percent, zone = host.partition("%")
    if not percent:
        return address, 0
    return address, int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)


def with_zone(address: str, interface: int) -> str:
    """`address` on the interface of that number; by number when it is gone."""
    try:
        return f"{address}%{socket.if_indextoname(interface)}"
    except OSError:
        return f"{address}%{interface}"
