"""Small frozen values that cross the plugin boundary."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

Octets = bytes | bytearray | memoryview
"""Bytes in any form that code on the packet path may meet."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


class Endpoint(NamedTuple):
    """Where a node can be reached from outside: `udp://198.51.100.7:8443`, `tcp://[2001:db8::1]:8443`, `udp://vpn.example:8443`.

    `scheme` names a transport kind; `host` is an address literal without brackets or a DNS name; `port` is 1 to 65535.
    """

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read the URL form. Raises ValueError with a sentence for the admin when `text` is not an endpoint."""
        scheme, separator, rest = text.partition("://")
        if not separator or not scheme.isidentifier():
            raise ValueError(f"{text!r} is no endpoint: write scheme://host:port, for example udp://198.51.100.7:8443")
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
        return cls(scheme, host, int(port_text))


class Problem(NamedTuple):
    """Something wrong with a profile, as a plugin reports it: `path` names the key ("peers.0.endpoints.1")."""

    path: str
    message: str
    hint: str = ""
