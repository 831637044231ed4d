"""What both transports do with sockets."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.api.values import Endpoint


def family_of(host: str) -> socket.AddressFamily:
    """The address family of an address literal."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def bound(sock: socket.socket, at: Endpoint) -> None:
    """Bind to `at`; an IPv6 socket takes IPv6 only, so `[::]` and `0.0.0.0` can listen side by side. Raises OSError."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((at.host, at.port))
