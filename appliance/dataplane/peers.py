"""What the pipeline knows about peers: the session to use, the addresses they may send from, and where packets go.

`World` is the one mutable root of the data plane. Control messages change it between two turns of the worker's loop; the
pipeline's closures read it.

An address belongs to the peer with the longest allowed prefix that holds it: only that one may send from it, whatever wider
prefixes others have. Some addresses are nobody's: `dataplane.nobodys` has them, and this host's own are the host's, those of
the overlay and all others.
"""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from appliance.dataplane.counters import REASON_INDEX
from appliance.dataplane.forwarding import ForwardingTable
from appliance.dataplane.icmp import Icmp
from appliance.dataplane.nobodys import is_nobodys_v4, is_nobodys_v6, many_v4, many_v6

if TYPE_CHECKING:
    from appliance.api.transport import Driver, SocketAddress
    from appliance.api.values import Octets
    from appliance.dataplane.compression import Inflate, Squeeze
    from appliance.dataplane.queueing import Lane
    from appliance.dataplane.session import Receiver, Sender

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
HandOver = Callable[["Driver", "Octets", "Octets", "SocketAddress | None"], None]
"""`hand_over(link, header, body, source)`: give a record to the worker that has its session."""

QUEUE_PACKETS: Final = 128
"""Packets that wait for a peer's first session: two TCP initial windows from a handful of flows."""
QUEUE_BYTES: Final = 256 * 1024
CACHED_ADDRESSES: Final = 65536
"""Addresses whose look-up is remembered, per family; emptied at once when full, so a scan costs look-ups, not memory."""


class Session:
    """A session as the pipeline uses it. `stream` is the peer's index shifted into its header place; `row` the first of its
    counters. `link` and `source` are where records go: `source` is None on connected sockets. `reported` is when the control
    process was told last that they come from elsewhere, as `World.now`. `squeeze` compresses what is sent, once the peer has said
    that it takes it; `inflate` undoes what the peer compressed, where the profile allows it to."""

    __slots__ = (
        "index",
        "inflate",
        "link",
        "peer",
        "receiver",
        "reported",
        "row",
        "sender",
        "source",
        "squeeze",
        "stalled",
        "stream",
        "tag_bytes",
    )

    def __init__(
        self,
        index: int,
        remote_index: int,
        peer: Peer,
        sender: Sender,
        receiver: Receiver,
        tag_bytes: int,
        row: int,
    ) -> None:
        self.index = index
        self.stream = remote_index << 8
        self.peer = peer
        self.sender = sender
        self.receiver = receiver
        self.tag_bytes = tag_bytes
        self.row = row
        self.link: Driver | None = None
        self.source: SocketAddress | None = None
        self.stalled = False
        self.reported: int | None = None
        self.squeeze: Squeeze | None = None
        self.inflate: Inflate | None = None


class Peer:
    """A configured peer. `session` is the one to send on, `waiting` holds packets until there is one. `elsewhere` hands a packet
    over to the worker that has the session, where that is another one. `rate` bounds what is sent to it in bytes a second (0:
    nothing does), and `lane` queues it, where traffic is scheduled. `known_v4` and `known_v6` are sources it may send from, as
    far as the pipeline has asked."""

    __slots__ = ("allowed", "elsewhere", "known_v4", "known_v6", "lane", "name", "rate", "session", "waiting", "waiting_bytes")

    def __init__(self, name: str) -> None:
        self.name = name
        self.session: Session | None = None
        self.rate = 0
        self.lane: Lane | None = None
        self.elsewhere: Callable[[bytes], None] | None = None
        self.allowed: tuple[Network, ...] = ()
        self.known_v4: set[int] = set()
        self.known_v6: set[bytes] = set()
        self.waiting: deque[bytes] = deque()
        self.waiting_bytes = 0


class World:
    """Everything the pipeline forwards by. `now` is the millisecond clock of this turn; `blocked` are links whose queue is full.

    `want(peer)` is called once when traffic waits for a peer without a session, `block(link)` when a link became congested.
    `elsewhere` are the sessions that other workers have, by index: each hands a record over. `to_host` writes a packet (virtio
    header in front) to the TUN. `own_v4` and `own_v6` are this host's addresses. `tun_failed(errno)`: the TUN cannot be read (0:
    it gave nothing), for its device is gone.
    """

    __slots__ = (
        "_host",
        "_overlay",
        "_senders",
        "blocked",
        "counters",
        "elsewhere",
        "hosts_v4",
        "hosts_v6",
        "hub",
        "icmp",
        "now",
        "on_blocked",
        "own_v4",
        "own_v6",
        "peers",
        "sessions",
        "table",
        "to_host",
        "tun_failed",
        "want",
    )

    def __init__(self, counters: memoryview, want: Callable[[Peer], None], on_blocked: Callable[[Driver], None]) -> None:
        self.counters = counters
        self.want = want
        self.on_blocked = on_blocked
        self.to_host: Callable[[memoryview], None] = lambda _entry: None
        self.tun_failed: Callable[[int], None] = lambda _errno: None
        self.icmp = Icmp(lambda: self.drop("icmp_limited"))
        self.blocked: set[Driver] = set()
        self.now = 0
        self.hub = False
        self.peers: dict[str, Peer] = {}
        self.sessions: dict[int, Session] = {}
        self.elsewhere: dict[int, HandOver] = {}
        self.own_v4: frozenset[int] = frozenset()
        self.own_v6: frozenset[bytes] = frozenset()
        self.table: ForwardingTable[Peer] = ForwardingTable()
        self.hosts_v4: dict[int, Peer] = {}
        self.hosts_v6: dict[bytes, Peer] = {}
        self._senders: ForwardingTable[list[Peer]] | None = None
        self._overlay: tuple[Address, ...] = ()
        self._host: tuple[Address, ...] = ()

    def set_table(self, routes: Iterable[tuple[Network, Peer]], own: Iterable[Interface] = ()) -> None:
        """Swap in a new forwarding table, and this node's own addresses inside the overlay."""
        addresses = tuple(own)
        self.table = ForwardingTable(routes)
        self.icmp.use(addresses)
        self._overlay = tuple(address.ip for address in addresses)
        self._own()

    def set_addresses(self, addresses: Iterable[Address]) -> None:
        """Swap in this host's addresses, whatever interface has them. ICMP errors come from those inside the overlay only."""
        self._host = tuple(addresses)
        self._own()

    def _own(self) -> None:
        """What is our own changed, or where packets go. The caches are emptied in place: the pipeline's closures hold them."""
        both = (*self._overlay, *self._host)
        self.own_v4 = frozenset(int(address) for address in both if address.version == 4)
        self.own_v6 = frozenset(address.packed for address in both if address.version == 6)
        self.hosts_v4.clear()
        self.hosts_v6.clear()
        self._forget_sources()

    def allow(self, prefixes: Iterable[tuple[Peer, Iterable[Network]]]) -> None:
        """Replace the prefixes that these peers may send from, if no other peer has a longer one."""
        for peer, networks in prefixes:
            peer.allowed = tuple(networks)
        self._forget_senders()

    def _forget_senders(self) -> None:
        """Who may send from where changed. Made anew when it is first asked, so that a table in slices is made once."""
        self._senders = None
        self._forget_sources()

    def _forget_sources(self) -> None:
        for peer in self.peers.values():
            peer.known_v4.clear()
            peer.known_v6.clear()

    def _who_sends(self) -> ForwardingTable[list[Peer]]:
        owners: dict[Network, list[Peer]] = {}
        for peer in self.peers.values():
            for prefix in peer.allowed:
                owners.setdefault(prefix, []).append(peer)
        self._senders = ForwardingTable(owners.items())
        return self._senders

    def may_send_v4(self, peer: Peer, source: int) -> bool:
        """Whether IPv4 `source` is `peer`'s; remembers a yes. The pipeline asks the peer's `known_v4` first."""
        owners = (self._senders or self._who_sends()).v4.lookup(source)
        if owners is None or peer not in owners or source in self.own_v4 or is_nobodys_v4(source):
            return False
        if len(peer.known_v4) >= CACHED_ADDRESSES:
            peer.known_v4.clear()
        peer.known_v4.add(source)
        return True

    def may_send_v6(self, peer: Peer, source: bytes) -> bool:
        """The same for the 16 bytes of an IPv6 address."""
        owners = (self._senders or self._who_sends()).v6.lookup(int.from_bytes(source, "big"))
        if owners is None or peer not in owners or source in self.own_v6 or is_nobodys_v6(source):
            return False
        if len(peer.known_v6) >= CACHED_ADDRESSES:
            peer.known_v6.clear()
        peer.known_v6.add(source)
        return True

    def find_v4(self, address: int) -> Peer | None:
        """The peer that IPv4 `address` is behind; remembers it. None for an address of this host's, whatever prefix covers it.
        The pipeline asks `hosts_v4` first."""
        peer = None if address in self.own_v4 else self.table.v4.lookup(address, many_v4(address))
        if peer is not None:
            if len(self.hosts_v4) >= CACHED_ADDRESSES:
                self.hosts_v4.clear()
            self.hosts_v4[address] = peer
        return peer

    def find_v6(self, address: bytes) -> Peer | None:
        """The same for the 16 bytes of an IPv6 address."""
        peer = None if address in self.own_v6 else self.table.v6.lookup(int.from_bytes(address, "big"), many_v6(address))
        if peer is not None:
            if len(self.hosts_v6) >= CACHED_ADDRESSES:
                self.hosts_v6.clear()
            self.hosts_v6[address] = peer
        return peer

    def drop(self, reason: str, count: int = 1) -> None:
        """Count `count` packets dropped for one of `counters.DROP_REASONS`."""
        self.counters[REASON_INDEX[reason]] += count

    def nowhere(self, address: int | bytes) -> None:
        """Drop a packet for an address that is behind no peer."""
        broad = many_v4(address) if isinstance(address, int) else many_v6(address)
        self.drop("multicast" if broad else "no_route")

    def refuse(self, entry: memoryview, mtu_bytes: int) -> None:
        """Drop a packet of this host's that is longer than `mtu_bytes`, the most a record takes, and tell the host."""
        self.drop("oversized")
        error = self.icmp.too_big(entry, mtu_bytes, self.now)
        if error is not None:
            self.to_host(memoryview(error))

    def block(self, link: Driver) -> None:
        """`link` takes no more until it was flushed."""
        self.blocked.add(link)
        self.on_blocked(link)

    def hold(self, peer: Peer, entry: bytes) -> None:
        """A packet (virtio header and IP packet) for a peer without a session here: another worker has it, or there is none."""
        if peer.elsewhere is not None:
            peer.elsewhere(entry)
        else:
            self.keep(peer, entry)

    def keep(self, peer: Peer, entry: bytes) -> None:
        """Keep a packet until `peer` has a session; the oldest go when there are too many."""
        if not peer.waiting:
            self.want(peer)
        peer.waiting.append(entry)
        peer.waiting_bytes += len(entry)
        while len(peer.waiting) > QUEUE_PACKETS or peer.waiting_bytes > QUEUE_BYTES:
            peer.waiting_bytes -= len(peer.waiting.popleft())
            self.drop("no_session")
