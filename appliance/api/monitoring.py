"""What a monitoring plugin implements: showing the node's figures to the outside. Fails soft: monitoring never stops traffic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from appliance.api.services import Services


class SessionFigures(NamedTuple):
    """Counters of one session since it began; `rtt` in seconds or None; times in seconds. `datagram` is how many bytes of payload
    a datagram has (0 on streams), `path_mtu` how that was found: base, searching, search-complete or error (RFC 8899), fixed (by
    the profile or the transport), shared (a socket of several peers), or nothing on streams."""

    peer: str
    session_id: str
    state: str
    suite: str
    pq: bool
    transport: str
    endpoint: str
    rx_packets: int
    rx_bytes: int
    tx_packets: int
    tx_bytes: int
    rtt: float | None
    age: float
    idle: float
    epoch: int
    datagram: int = 0
    path_mtu: str = ""
    parity: int = 0
    """Pieces of a cut record for each parity piece that goes with it; 0: none, the path loses nothing to speak of."""
    compression: str = "off"
    """How what is sent is compressed: off, or zstd."""
    rx_saved: int = 0
    tx_saved: int = 0
    """Of the bytes, those that compression kept off the wire."""
    offload_problem: str = ""
    """Why the kernel does not cut records into datagrams on this path, as an errno's name; "" while it does."""


class ClassFigures(NamedTuple):
    """A traffic class: inner packets and bytes sent, packets dropped and marked with CE so far; `queued`: bytes that wait now."""

    packets: int
    bytes: int
    dropped: int
    marked: int
    queued: int


class NodeFigures(NamedTuple):
    """One consistent view of the node. `drops` and `handshakes` count by reason; `components`: name to "ok" or what is wrong;
    `classes` by name, none where traffic is not scheduled."""

    name: str
    version: str
    uptime: float
    sessions: Sequence[SessionFigures]
    peers_configured: int
    drops: Mapping[str, int]
    handshakes: Mapping[str, int]
    components: Mapping[str, str]
    ready: bool
    classes: Mapping[str, ClassFigures] = {}
    protocols: Mapping[str, Mapping[str, int]] = {}
    """What happened in each peer protocol that runs, by its name and then by what is counted."""


class MonitoringServices(Services, Protocol):
    """What the core gives a monitor."""

    def figures(self) -> NodeFigures:
        """The figures now. Cheap enough to call for each scrape; never blocks."""


class MonitorKind(NamedTuple):
    """A monitoring kind as registered by `appliance_monitors()`; see `api.kinds`.

    `name` is a key below `monitoring` in a profile, which turns it on; its settings are that key's value. The monitor starts when
    the context is entered, and stops when it is left.
    """

    name: str
    settings: Callable[[], type[Any]] | None
    open: Callable[[Any, MonitoringServices], AbstractAsyncContextManager[object]]
