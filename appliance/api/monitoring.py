"""What a monitoring plugin implements: showing the node's figures to the outside. Fails soft: monitoring never stops traffic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from appliance.api.services import Services


class SessionFigures(NamedTuple):
    """Counters of one session since it began, and what it is like now."""

    peer: str
    """The peer's name."""
    session_id: str
    """A UUID."""
    state: str
    """"handshaking", "active", "disconnecting" or "closed"."""
    suite: str
    """The name of the suite."""
    pq: bool
    """The key exchange was post-quantum."""
    transport: str
    """The name of the transport kind ("udp")."""
    endpoint: str
    """Where the peer is."""
    rx_packets: int
    """Inner packets received."""
    rx_bytes: int
    """Their bytes."""
    tx_packets: int
    """Inner packets sent."""
    tx_bytes: int
    """Their bytes."""
    rtt: float | None
    """Smoothed round-trip time in seconds; None until it was measured."""
    age: float
    """Seconds since it became active."""
    idle: float
    """Seconds since the last authentic packet came."""
    epoch: int
    """How often the key for sending was changed."""
    datagram: int = 0
    """Bytes of payload in a datagram; 0 on streams."""
    path_mtu: str = ""
    """How that was found: "base", "searching", "search-complete" or "error" (RFC 8899), "fixed" (by the profile or the
    transport), "shared" (one size for several peers of a socket); "" on streams."""
    parity: int = 0
    """Pieces of a cut record for each parity piece that goes with it; 0: none, the path loses nothing to speak of."""
    compression: str = "off"
    """How what is sent is compressed: off, or zstd."""
    rx_saved: int = 0
    """Of `rx_bytes`, those that compression kept off the wire."""
    tx_saved: int = 0
    """Of `tx_bytes`, those that compression kept off the wire."""
    offload_problem: str = ""
    """Why the kernel does not cut records into datagrams on this path, as an errno's name; "" while it does."""


class ClassFigures(NamedTuple):
    """One traffic class so far."""

    packets: int
    """Inner packets sent."""
    bytes: int
    """Their bytes."""
    dropped: int
    """Packets dropped."""
    marked: int
    """Packets marked with CE."""
    queued: int
    """Bytes that wait now."""


class LoopFigures(NamedTuple):
    """The event loop of the control process. While one of its turns lasts, everything else that it does has to wait."""

    longest: float
    """The longest turn of the last minute, in seconds."""
    late: int
    """Turns longer than 50 ms so far."""


class ProcessFigures(NamedTuple):
    """One process of the node."""

    name: str
    """"control", or "worker" with its number."""
    pid: int
    """Its process number."""
    cpu: float
    """Seconds of CPU time that it has used."""
    memory: int
    """Resident bytes."""
    descriptors: int | None
    """Open descriptors; None where the node may not know."""
    most_descriptors: int | None
    """As many as it may have open; None where the node may not know."""
    waited: float | None = None
    """Of a worker: seconds for which the newest question whether it still turns waited there. The question comes once a
    second. None of other processes, and while there is no answer."""


class DiskFigures(NamedTuple):
    """The disk of the state folder."""

    total: int
    """Bytes."""
    free: int
    """Bytes, those for root alone left out."""


class CertificateFigures(NamedTuple):
    """This node's own certificate of its network."""

    not_before: int
    """Unix seconds."""
    not_after: int
    """Unix seconds."""


class NodeFigures(NamedTuple):
    """The node at one moment."""

    name: str
    """What its profile calls it."""
    version: str
    """That of the appliance."""
    uptime: float
    """Seconds since it was started."""
    sessions: Sequence[SessionFigures]
    peers_configured: int
    """How many peers there are: those of the profile, and members."""
    drops: Mapping[str, int]
    """Packets dropped, by reason (docs/troubleshooting.md)."""
    handshakes: Mapping[str, int]
    """What happened in handshakes and to sessions, by name (docs/protocol.md, "What is counted")."""
    components: Mapping[str, str]
    """The name of each part, with "ok" or what is wrong with it."""
    ready: bool
    """It carries traffic."""
    classes: Mapping[str, ClassFigures] = {}
    """By name; empty if traffic is not scheduled."""
    protocols: Mapping[str, Mapping[str, int]] = {}
    """What happened in each peer protocol that runs, by its name and then by what is counted."""
    loop: LoopFigures | None = None
    """How responsive the control process is; None if that is not measured."""
    members: Mapping[str, int] = {}
    """The other members of its network, by what is known of them (alive, suspected, dead, left, unknown); empty without one."""
    scores: Mapping[str, int] = {}
    """Members of whom this node remembers something, by what it thinks of them (good, usual, doubtful, blocked)."""
    processes: Sequence[ProcessFigures] = ()
    """The control process, and the workers."""
    disk: DiskFigures | None = None
    """None if nothing is kept on one."""
    certificate: CertificateFigures | None = None
    """None without a network, or a certificate of it."""
    short: Mapping[str, str] = {}
    """What the node or its host is short of ("cpu", "memory", "descriptors"), each as a sentence; see `limits.pressure`."""


class MonitoringServices(Services, Protocol):
    """What the core gives a monitor."""

    def figures(self) -> NodeFigures:
        """The figures now. Cheap enough for each scrape; never blocks."""


class MonitorKind(NamedTuple):
    """A monitoring kind as registered by `appliance_monitors()`; see `api.kinds`.

    `name` is a key below `monitoring` in a profile, which turns it on; its settings are that key's value. The monitor starts when
    the context is entered, and stops when it is left.
    """

    name: str
    settings: Callable[[], type[Any]] | None
    open: Callable[[Any, MonitoringServices], AbstractAsyncContextManager[object]]
