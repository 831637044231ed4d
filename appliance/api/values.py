"""Small frozen values that cross the plugin boundary."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

Octets = bytes | bytearray | memoryview
"""Bytes in any form that code on the packet path may meet."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


HOST_AND_PORT = frozenset({"udp", "tcp"})
"""Schemes whose endpoints are a host and a port and nothing else, whoever reads them."""
RELAY = "relay"
"""The scheme of endpoints over a peer that is a relay, `relay://` and its fingerprint: the core's own, which no plugin brings."""
BEST_FIRST = ("udp", "quic", "tcp", "wss")
"""Transports in the order in which a peer is tried where nobody wrote another order: what repairs nothing before what does, and
what costs less before what gets through more networks. Others come behind these."""
LONGEST_AUTHORITY = 512
"""Characters of what stands behind `scheme://`."""


def is_this_host(host: str) -> bool:
    """Is it an address of the host itself (127.0.0.1, ::1), or "localhost"? What is said there, nobody on the network reads."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def group_of(address: str) -> str:
    """What is counted as one sender: an IPv4 address, or a /64 of IPv6, which is what one customer has at least (RFC 6177)."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        if not found.is_loopback:
            return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


class Endpoint(NamedTuple):
    """Where a node can be reached from outside: `udp://198.51.100.7:8443`, `tcp://[2001:db8::1]:8443`, `udp://vpn.example:8443`;
    with other transports perhaps `wss://vpn.example/path` or `relay://llp1:…`.

    Two of the same text are equal. Where a DNS name was looked up, `_replace(host=address)` is the same endpoint at that address.
    """

    scheme: str
    """The name of a transport kind."""
    host: str
    """Address literal without brackets, or DNS name; "": it is not reached by an address, and only its transport can read it."""
    port: int
    """1 to 65535; 0: the transport's own."""
    authority: str = ""
    """What stands behind `scheme://`, where host and port do not say all of it: another form, or a name that the transport needs
    besides the address that it was looked up as. Never of udp and tcp."""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority or _joined(self.host, self.port)}"

    @property
    def is_host_and_port(self) -> bool:
        """Is it written as host:port?"""
        return _host_and_port(self.authority or _joined(self.host, self.port)) is not None

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read the URL form. Raises ValueError with a sentence for the admin when `text` is not an endpoint."""
        scheme, separator, rest = text.partition("://")
        if not separator or not scheme.isidentifier():
            raise ValueError(f"{text!r} is no endpoint: write scheme://host:port, for example udp://198.51.100.7:8443")
        if scheme in HOST_AND_PORT:
            return cls(scheme, *_strictly(text, scheme, rest))
        if not rest or len(rest) > LONGEST_AUTHORITY or not rest.isprintable() or " " in rest:
            raise ValueError(
                f"{text[:60]!r} is no endpoint: behind :// stand 1 to {LONGEST_AUTHORITY} characters, none of them a blank"
            )
        before, slash, _ = rest.partition("/")
        found = _host_and_port(before) or (_host_alone(before) if slash else None)
        if found is None:
            return cls(scheme, "", 0, rest)
        return cls(scheme, *found, "" if not slash and is_address(found[0]) else rest)


def preference(endpoint: Endpoint) -> int:
    """Its transport's place in BEST_FIRST; the least comes first."""
    return BEST_FIRST.index(endpoint.scheme) if endpoint.scheme in BEST_FIRST else len(BEST_FIRST)


def is_address(host: str) -> bool:
    """Is `host` an address literal, rather than a name that must be looked up, or nothing?"""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _strictly(text: str, scheme: str, rest: str) -> tuple[str, int]:
    """Host and port. Raises ValueError with what is wrong."""
    if rest.startswith("["):
        host, bracket, port_text = rest[1:].partition("]:")
        if not bracket:
            raise ValueError(f"{text!r}: an IPv6 host is written in brackets, for example udp://[2001:db8::1]:8443")
        ipaddress.IPv6Address(host)
    else:
        host, colon, port_text = rest.rpartition(":")
        if not colon or not host or ":" in host:
            raise ValueError(f"{text!r}: host and port are both needed, for example {scheme}://198.51.100.7:8443")
    if not port_text.isdecimal() or not 1 <= int(port_text[:6]) <= 65535:
        raise ValueError(f"{text!r}: the port is a number from 1 to 65535")
    return host, int(port_text)


def _host_and_port(rest: str) -> tuple[str, int] | None:
    try:
        return _strictly("", "", rest)
    except ValueError:
        return None


def _host_alone(rest: str) -> tuple[str, int] | None:
    """`vpn.example` or `[2001:db8::1]`, with the transport's own port."""
    host = rest[1:-1] if rest.startswith("[") and rest.endswith("]") else rest
    return (host, 0) if host and (host == rest) == (":" not in host) else None


class Problem(NamedTuple):
    """Something that is wrong with a profile, as a plugin reports it."""

    path: str
    """The dotted key ("peers.0.endpoints.1")."""
    message: str
    """What is wrong."""
    hint: str = ""
    """What to do about it."""
