"""Figures of connections, and of a client as a whole."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

TCP_INFO_BYTES: Final = 144
RTT_AT: Final = 68
RETRANSMITTED_AT: Final = 100
SEGMENTS_AT: Final = 136
"""Where `struct tcp_info` of linux/tcp.h has these fields; the kernel only ever adds at its end."""


class ConnectionMetrics(NamedTuple):
    """Of one connection, from its beginning. What the kernel says is None where it is no TCP connection."""

    bytes_received: int
    bytes_sent: int
    errors: int
    """Reads and writes that ended with an error; deadlines that passed are among them."""
    rtt_ms: float | None = None
    """Smoothed round trip, as the kernel's TCP sees it."""
    packets_received: int | None = None
    packets_sent: int | None = None
    packets_sent_again: int | None = None


class ClientMetrics(NamedTuple):
    """Of all calls and connections of one client."""

    calls: Mapping[str, int]
    """Calls by how they ended: `ok`, `cancelled`, or the error's code."""
    opened: int
    """Connections that it opened or accepted."""
    open: int
    """Of these, open now."""
    bytes_received: int
    bytes_sent: int
    errors: int
    reconnects: int
    """How often the conversation with this host's node was begun anew."""
    retries_left: float
    """Retries that the budget allows at once."""
    circuits: Mapping[str, str]
    """Places to which calls do not go now, or as probes only, and the state of each circuit."""


def of_kernel(stream: socket.socket) -> dict[str, float | int]:
    """What the kernel's TCP says; nothing for other sockets, and for closed ones."""
    try:
        info = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
    except OSError:
        return {}
    if len(info) < TCP_INFO_BYTES:
        return {}
    rtt_us, again = (struct.unpack_from("=I", info, at)[0] for at in (RTT_AT, RETRANSMITTED_AT))
    sent, received = struct.unpack_from("=II", info, SEGMENTS_AT)
    return {"rtt_ms": rtt_us / 1000, "packets_received": received, "packets_sent": sent, "packets_sent_again": again}
