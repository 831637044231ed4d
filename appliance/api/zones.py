"""Link-local addresses name their interface behind a percent sign: `fe80::1%eth0` (RFC 4007, section 11).

Socket calls want the number of the interface, as a fourth part of the address; a pair of host and port means no interface to
them. Everywhere else we use the text.
"""

from __future__ import annotations

import socket
from typing import Any

from appliance.api.transport import SocketAddress
from appliance.api.values import Endpoint, is_address


def to_kernel(host: str, port: int) -> tuple[Any, ...]:
    """What bind(2), connect(2) and sendmsg(2) take for an address literal. Raises OSError when there is no such interface."""
    if "%" not in host:
        return host, port
    address, interface = split(host)
    return address, port, 0, interface


def from_kernel(name: tuple[Any, ...]) -> SocketAddress:
    """What accept(2), getsockname(2) and recvmsg(2) gave, the interface by name."""
    host, port = numbered(name)
    return named(host), port


def numbered(name: tuple[Any, ...]) -> SocketAddress:
    """The same with the interface by number: for workers, which may not ask for its name."""
    return (f"{name[0]}%{name[3]}", name[1]) if len(name) == 4 and name[3] else (name[0], name[1])


def split(host: str) -> tuple[str, int]:
    """The address without its zone, and the number of its interface (0 if it names none). Raises OSError as `to_kernel` does."""
    address, percent, zone = host.partition("%")
    if not percent:
        return address, 0
    return address, int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)


def named(host: str) -> str:
    """`host` with its interface by name, where there is one of that number."""
    address, percent, zone = host.partition("%")
    if not percent or not zone.isdecimal():
        return host
    try:
        return f"{address}%{socket.if_indextoname(int(zone))}"
    except OSError:
        return host


def shown(endpoint: Endpoint | None) -> str:
    """An endpoint for people, with its interface by name, and the address that its name was looked up as; "" for none."""
    if endpoint is None:
        return ""
    host, text = named(endpoint.host), str(endpoint._replace(host=named(endpoint.host)))
    return text if not is_address(endpoint.host) or host in text else f"{text} at {host}"
