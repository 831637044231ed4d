"""What the pipeline knows about peers: the session to use, the addresses they may send from, and where packets go.

`World` is the one object that changes in the data plane. Control messages change it between two turns of the worker's loop; the
pipeline's closures read it.

An address belongs to the peer with the longest allowed prefix that holds it: only that peer may send from it, even if others have
wider prefixes. Some addresses belong to no peer (`dataplane.nobodys`), and this host's own addresses belong to the host. What is
reserved for members and none of them has is behind the peer NOBODY, who never comes and is sent nothing: not behind whoever has a
wider prefix.
"""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from appliance.dataplane.counters import REASON_INDEX
from appliance.dataplane.forwarding import ForwardingTable
from appliance.dataplane.icmp import Icmp
from appliance.dataplane.nobodys import NOBODY, is_nobodys_v4, is_nobodys_v6, many_v4, many_v6

if TYPE_CHECKING:
    from appliance.api.transport import Driver, SocketAddress
    from appliance.api.values import Octets
    from appliance.dataplane.compression import Inflate, Squeeze
    from appliance.dataplane.queueing import Lane
    from appliance.dataplane.session import Receiver, Sender
    from appliance.protocol.admission import TokenBucket

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
HandOver = Callable[["Driver", "Octets", "Octets", "SocketAddress | None"], None]
"""`hand_over(link, header, body, source)`: give a record to the worker that has its session."""

NO_CHANNELS: Final[Mapping[int, Channel]] = MappingProxyType({})
QUEUE_PACKETS: Final = 128
"""Packets that wait for the first session of a peer: two initial windows of TCP, of a handful of flows."""
QUEUE_BYTES: Final = 256 * 1024
"""The most bytes of them."""
CACHED_ADDRESSES: Final = 65536
"""Addresses of each family whose look-up is remembered. All are forgotten when there are more, so that a scan costs time, not
memory."""


class Session:
    """A session as the pipeline uses it."""

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
        "talk",
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
        """The peer's index at its place in a header: the channel's byte is 0."""
        self.peer = peer
        self.sender = sender
        self.receiver = receiver
        self.tag_bytes = tag_bytes
        self.row = row
        """The first of its counters."""
        self.link: Driver | None = None
        """Where records go; None: nowhere yet."""
        self.source: SocketAddress | None = None
        """The far end on a shared socket; None on a connected one."""
        self.stalled = False
        """The control process was told that its keys have run apart."""
        self.talk: TokenBucket | None = None
        """What its records other than IP may still cost the control process; None: there were none yet."""
        self.reported: int | None = None
        """When the control process was told last that its records come by another path, as `World.now`."""
        self.squeeze: Squeeze | None = None
        """Compresses what is sent, once the peer has said that it takes that."""
        self.inflate: Inflate | None = None
        """Undoes what the peer compressed, if the profile allows it to compress."""


class Channel:
    """An open data channel of a peer."""

    __slots__ = ("bytes", "carrier", "descriptor", "due", "lost", "number", "opening", "peer", "rate", "records")

    def __init__(self, peer: Peer, number: int, opening: int, descriptor: int, rate: int = 0, *, carrier: bool = False) -> None:
        self.peer = peer
        self.number = number
        self.opening = opening
        """Tells it from an earlier or later one of the same number."""
        self.descriptor = descriptor
        """One end of a SOCK_SEQPACKET pair, non-blocking."""
        self.rate = rate
        """The most to send on it, in bytes a second. 0: as fast as can be."""
        self.carrier = carrier
        """Are its records the packets of a link?"""
        self.due = 0.0
        """When what was sent so far would have gone at that rate, in seconds of the worker's clock."""
        self.records = self.bytes = 0
        """What was sent on it so far."""
        self.lost = 0
        """Records that came for it and were not taken in time."""


class Peer:
    """A peer as the pipeline uses it."""

    __slots__ = (
        "allowed",
        "channels",
        "elsewhere",
        "known_v4",
        "known_v6",
        "lane",
        "name",
        "rate",
        "session",
        "waiting",
        "waiting_bytes",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.session: Session | None = None
        """The one to send on."""
        self.rate = 0
        """The most to send to it, in bytes a second. 0: as fast as can be."""
        self.lane: Lane | None = None
        """Its queues, where traffic is scheduled."""
        self.elsewhere: Callable[[bytes], None] | None = None
        """Hands a packet to the worker that has the peer's session, if that is another one."""
        self.allowed: tuple[Network, ...] = ()
        """Prefixes that it may send from."""
        self.known_v4: set[int] = set()
        """Sources that it may send from, as far as the pipeline has asked."""
        self.known_v6: set[bytes] = set()
        """The same for IPv6."""
        self.waiting: deque[bytes] = deque()
        """Packets that wait for a session."""
        self.waiting_bytes = 0
        self.channels: Mapping[int, Channel] = NO_CHANNELS
        """Its open data channels, by number."""

    def forget_sources(self) -> None:
        """Ask anew whether it may send from an address. In place, for the pipeline's closures hold both."""
        self.known_v4.clear()
        self.known_v6.clear()


class World:
    """Everything the pipeline forwards by."""

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
        """`want(peer)` is called once when traffic waits for a peer without a session."""
        self.on_blocked = on_blocked
        """Called with a link when that has become full."""
        self.to_host: Callable[[memoryview], None] = lambda _entry: None
        """Writes a packet (virtio header in front) to the TUN."""
        self.tun_failed: Callable[[int], None] = lambda _errno: None
        """`tun_failed(errno)`: the TUN cannot be read (0: it gave nothing), because its device is gone."""
        self.icmp = Icmp(lambda: self.drop("icmp_limited"))
        self.blocked: set[Driver] = set()
        """Links that are full until they were flushed."""
        self.now = 0
        """The clock of this turn in milliseconds; it begins again at 0 after 2^32."""
        self.hub = False
        """Packets are passed on between peers."""
        self.peers: dict[str, Peer] = {}
        self.sessions: dict[int, Session] = {}
        self.elsewhere: dict[int, HandOver] = {}
        """Sessions that other workers have, by index: each hands a record over."""
        self.own_v4: frozenset[int] = frozenset()
        """This host's addresses."""
        self.own_v6: frozenset[bytes] = frozenset()
        """This host's IPv6 addresses."""
        self.table: ForwardingTable[Peer] = ForwardingTable()
        """Which peer an address is behind."""
        self.hosts_v4: dict[int, Peer] = {}
        """What was looked up in it."""
        self.hosts_v6: dict[bytes, Peer] = {}
        """The same for IPv6."""
        self._senders: ForwardingTable[list[Peer]] = ForwardingTable()
        self._overlay: tuple[Address, ...] = ()
        self._host: tuple[Address, ...] = ()

    def route(self, put: Iterable[tuple[Network, Peer]], gone: Iterable[Network] = ()) -> None:
        """Change the forwarding table: what is `put` goes to that peer from now on, wherever it went; then what is `gone` goes to
        none. All others stay as they are."""
        for prefix, peer in put:
            self.table.put(prefix, peer)
            self._forget_hosts(prefix)
        for prefix in gone:
            self.table.drop(prefix)
            self._forget_hosts(prefix)

    def _forget_hosts(self, prefix: Network) -> None:
        """What is remembered of addresses inside `prefix` may be wrong. The pipeline's closures hold the caches."""
        if prefix.version == 4:
            if prefix.prefixlen == 32:
                self.hosts_v4.pop(int(prefix.network_address), None)
            else:
                self.hosts_v4.clear()
        elif prefix.prefixlen == 128:
            self.hosts_v6.pop(prefix.network_address.packed, None)
        else:
            self.hosts_v6.clear()

    def set_overlay(self, own: Iterable[Interface], *, hub: bool) -> None:
        """Swap in this node's own addresses inside the overlay. `hub`: packets from one peer go on to another."""
        addresses = tuple(own)
        self.icmp.use(addresses)
        self._overlay = tuple(address.ip for address in addresses)
        self.hub = hub
        self._own()

    def set_addresses(self, addresses: Iterable[Address]) -> None:
        """Use other addresses of this host, of all its interfaces. ICMP errors come only from those inside the overlay."""
        self._host = tuple(addresses)
        self._own()

    def _own(self) -> None:
        """What is our own changed: nothing that is remembered of addresses need be right."""
        both = (*self._overlay, *self._host)
        self.own_v4 = frozenset(int(address) for address in both if address.version == 4)
        self.own_v6 = frozenset(address.packed for address in both if address.version == 6)
        self.hosts_v4.clear()
        self.hosts_v6.clear()
        for peer in self.peers.values():
            peer.forget_sources()

    def allow(self, peer: Peer, prefixes: Iterable[Network]) -> None:
        """Replace the prefixes that `peer` may send from, if no other peer has a longer one."""
        before, wanted = peer.allowed, tuple(prefixes)
        if len(wanted) > 1:
            wanted = tuple(dict.fromkeys(wanted))
        peer.allowed = wanted
        kept = set(before).intersection(wanted) if before else ()
        for prefix in before:
            if prefix not in kept:
                self._allow_no_more(peer, prefix)
        for prefix in wanted:
            if prefix not in kept:
                self._allow_also(peer, prefix)

    def _allow_also(self, peer: Peer, prefix: Network) -> None:
        senders, address, length = self._senders.of(prefix), int(prefix.network_address), prefix.prefixlen
        owners = senders.get(address, length)
        if owners is not None:
            owners.append(peer)
            return
        senders.put(address, length, [peer])
        for others in senders.around(address, length):
            for other in others:
                other.forget_sources()

    def _allow_no_more(self, peer: Peer, prefix: Network) -> None:
        peer.forget_sources()
        owners = self._senders.get(prefix) or []
        if peer in owners:
            owners.remove(peer)
        if not owners:
            self._senders.drop(prefix)

    def forget(self, name: str) -> Peer | None:
        """There is no peer of that name any more. Returns who it was. What waited for its session is dropped."""
        peer = self.peers.pop(name, None)
        if peer is not None:
            self.allow(peer, ())
            self.drop_waiting(peer)
        return peer

    def drop_waiting(self, peer: Peer) -> None:
        """What waits for a session of `peer` is for nobody."""
        self.drop("no_session", len(peer.waiting))
        peer.waiting.clear()
        peer.waiting_bytes = 0

    def may_send_v4(self, peer: Peer, source: int) -> bool:
        """Does IPv4 `source` belong to `peer`? Remembers a yes. The pipeline looks into `known_v4` first."""
        owners = self._senders.v4.lookup(source)
        if owners is None or peer not in owners or source in self.own_v4 or is_nobodys_v4(source):
            return False
        if len(peer.known_v4) >= CACHED_ADDRESSES:
            peer.known_v4.clear()
        peer.known_v4.add(source)
        return True

    def may_send_v6(self, peer: Peer, source: bytes) -> bool:
        """The same for the 16 bytes of an IPv6 address."""
        owners = self._senders.v6.lookup(int.from_bytes(source, "big"))
        if owners is None or peer not in owners or source in self.own_v6 or is_nobodys_v6(source):
            return False
        if len(peer.known_v6) >= CACHED_ADDRESSES:
            peer.known_v6.clear()
        peer.known_v6.add(source)
        return True

    def find_v4(self, address: int) -> Peer | None:
        """The peer that IPv4 `address` is behind; remembers it. None for an address of this host, whatever prefix holds it. The
        pipeline looks into `hosts_v4` first."""
        peer = None if address in self.own_v4 else self.table.v4.lookup(address, many_v4(address))
        if peer is not None and peer.name != NOBODY:
            if len(self.hosts_v4) >= CACHED_ADDRESSES:
                self.hosts_v4.clear()
            self.hosts_v4[address] = peer
            return peer
        return None

    def find_v6(self, address: bytes) -> Peer | None:
        """The same for the 16 bytes of an IPv6 address."""
        peer = None if address in self.own_v6 else self.table.v6.lookup(int.from_bytes(address, "big"), many_v6(address))
        if peer is not None and peer.name != NOBODY:
            if len(self.hosts_v6) >= CACHED_ADDRESSES:
                self.hosts_v6.clear()
            self.hosts_v6[address] = peer
            return peer
        return None

    def drop(self, reason: str, count: int = 1) -> None:
        """Count packets that were dropped for one of `counters.DROP_REASONS`."""
        self.counters[REASON_INDEX[reason]] += count

    def nowhere(self, address: int | bytes) -> None:
        """Drop a packet for an address that is behind no peer."""
        broad = many_v4(address) if isinstance(address, int) else many_v6(address)
        self.drop("multicast" if broad else "no_route")

    def refuse(self, entry: memoryview, mtu_bytes: int) -> None:
        """Drop a packet of this host that is longer than `mtu_bytes`, the most a record takes, and tell the host."""
        self.drop("oversized")
        error = self.icmp.too_big(entry, mtu_bytes, self.now)
        if error is not None:
            self.to_host(memoryview(error))

    def block(self, link: Driver) -> None:
        """`link` takes no more until it was flushed."""
        self.blocked.add(link)
        self.on_blocked(link)

    def hold(self, peer: Peer, entry: bytes) -> None:
        """Take a packet (virtio header and IP packet) for a peer that has no session here: another worker has one, or nobody
        has."""
        if peer.elsewhere is not None:
            peer.elsewhere(entry)
        else:
            self.keep(peer, entry)

    def keep(self, peer: Peer, entry: bytes) -> None:
        """Keep a packet until `peer` has a session. If there are too many, the oldest are dropped."""
        if not peer.waiting:
            self.want(peer)
        peer.waiting.append(entry)
        peer.waiting_bytes += len(entry)
        while len(peer.waiting) > QUEUE_PACKETS or peer.waiting_bytes > QUEUE_BYTES:
            peer.waiting_bytes -= len(peer.waiting.popleft())
            self.drop("no_session")
