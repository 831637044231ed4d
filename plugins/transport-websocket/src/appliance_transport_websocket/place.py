"""What stands behind `wss://`: a host, a port and a path. Pure."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from appliance.api.values import Endpoint

PORT: Final = 443
"""Of `wss` without a port (RFC 6455, section 3)."""
_AUTHORITY: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^\[\]:/?#@\s]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^\s#]*)?", re.ASCII
)


class Place(NamedTuple):
    """Where a WebSocket is."""

    name: str
    """What the far end calls itself: a DNS name, or an address literal without brackets."""
    port: int
    path: str

    @property
    def shown(self) -> str:
        """Host and port, as a Host header and people have it."""
        host = f"[{self.name}]" if ":" in self.name else self.name
        return host if self.port == PORT else f"{host}:{self.port}"


def place_of(authority: str) -> Place:
    """Read it. Raises ValueError with a sentence for the admin."""
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise ValueError(f"wss://{authority[:60]} is no WebSocket: write wss://host/path or wss://host:port/path")
    port = int(found["port"] or PORT)
    if not 1 <= port <= 65535:
        raise ValueError(f"wss://{authority[:60]}: the port is a number from 1 to 65535")
    return Place(found["host"].strip("[]"), port, found["path"] or "/")


def place_at(endpoint: Endpoint) -> Place:
    """The same of an endpoint, whose name may have been looked up already. Raises ValueError."""
    if endpoint.authority:
        return place_of(endpoint.authority)
    return Place(endpoint.host, endpoint.port or PORT, "/")
