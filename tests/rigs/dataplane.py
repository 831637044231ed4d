"""Two nodes' compiled pipelines joined in memory: what one transmits is what the other's link receives.

The TUN is a queue on one side and a list on the other, the link a list of records; everything between is the product.
"""

from __future__ import annotations

import ipaddress
import mmap
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.dataplane import counters as layout
from appliance.dataplane.channels import deliver
from appliance.dataplane.inbound import Upward, compile_inbound
from appliance.dataplane.outbound import TRANSMIT_BYTES, compile_outbound
from appliance.dataplane.peers import Peer, Session, World
from appliance.dataplane.scheduled import Scheduled, Scheduling, compile_scheduled
from appliance.dataplane.session import Receiver, Sender
from appliance.wire.entries import VNET_BYTES

NO_VNET = bytes(VNET_BYTES)
ROTATE = 5_000_000


class Wire:
    """A link that keeps what was transmitted, with the sizes of a UDP link with 1,400-byte datagrams."""

    fragment_flags = 0x04

    def __init__(self, whole_bytes: int = 1376, record_bytes: int = 63296) -> None:
        self.whole_bytes = whole_bytes
        self.record_bytes = record_bytes
        self.records: list[bytes] = []
        self.congested = False
        self.transmit_buffer = memoryview(bytearray(TRANSMIT_BYTES))

    def transmit(self, length: int) -> bool:
        self.records.append(bytes(self.transmit_buffer[: 24 + length]))
        return not self.congested

    def transmit_to(self, length: int, to: object) -> bool:
        return self.transmit(length)


@dataclass
class Heard:
    """What went up to the control process."""

    packets: list[bytes] = field(default_factory=list)
    messages: list[tuple[int, int, int, bytes]] = field(default_factory=list)
    moved: list[object] = field(default_factory=list)
    aside: list[object] = field(default_factory=list)
    stalled: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    raised: list[Exception] = field(default_factory=list)


class Host:
    """One node's data plane."""

    def __init__(self, name: str, *, slots: int = 16) -> None:
        self.name = name
        self.tun_in: deque[bytes] = deque()
        self.tun_out: list[bytes] = []
        self.wanted: list[str] = []
        self.routed: set[str] = set()
        self.heard = Heard()
        counters = memoryview(mmap.mmap(-1, layout.size_bytes(slots))).cast("Q")
        self.world = World(counters, lambda peer: self.wanted.append(peer.name), lambda link: None)
        self.tx = memoryview(bytearray(TRANSMIT_BYTES))
        self.outbound = compile_outbound(self.world, self._read, self.tx)
        self._upward = Upward(
            lambda link, source, packet: self.heard.packets.append(packet),
            lambda session, kind, channel, body: self.heard.messages.append((session.index, kind, channel, body)),
            lambda session, link, source: self.heard.moved.append((session.index, source)),
            lambda session, link, source, kind, body, newest: self.heard.aside.append((session.index, source, kind, newest)),
            lambda session: self.heard.stalled.append(session.index),
            lambda link, source, stream: self.heard.unknown.append(stream),
            self.heard.raised.append,
            lambda session, link, number, body: deliver(self.world, session, number, body),
        )
        self._connect()

    def _connect(self) -> None:
        self.sink_for = compile_inbound(self.world, lambda entry: self.tun_out.append(bytes(entry)), self.outbound, self._upward)

    def schedule(self, settings: Scheduling, clock: Callable[[], float]) -> Scheduled:
        """From now on traffic is scheduled, by that clock."""
        scheduled = compile_scheduled(self.world, self._read, self.outbound, settings, clock)
        self.outbound = scheduled.outbound
        self._connect()
        return scheduled

    def _read(self, room: memoryview) -> int:
        if not self.tun_in:
            raise BlockingIOError
        entry = self.tun_in.popleft()
        room[: len(entry)] = entry
        return len(entry)

    def peer(self, name: str, allowed: Iterable[str]) -> Peer:
        peer = self.world.peers[name] = Peer(name)
        self.allow(name, allowed)
        return peer

    def allow(self, name: str, prefixes: Iterable[str]) -> None:
        self.world.allow(self.world.peers[name], map(ipaddress.ip_network, prefixes))

    def route(self, table: dict[str, str], own: Iterable[str] = ()) -> None:
        """This is the whole forwarding table from now on, and these are this node's addresses inside the overlay."""
        gone = [prefix for prefix in self.routed if prefix not in table]
        put = ((ipaddress.ip_network(prefix), self.world.peers[name]) for prefix, name in table.items())
        self.world.route(put, map(ipaddress.ip_network, gone))
        self.routed = set(table)
        self.world.set_overlay(map(ipaddress.ip_interface, own), hub=self.world.hub)

    def hold(self, *addresses: str) -> None:
        """This host has these addresses, on whatever interface."""
        self.world.set_addresses(map(ipaddress.ip_address, addresses))

    def send(self, *packets: bytes, vnet: bytes = NO_VNET) -> None:
        """Let the kernel hand these IP packets to the TUN, and pump until they are gone."""
        self.tun_in.extend(vnet + packet for packet in packets)
        while self.tun_in:
            self.outbound.pump()

    def take(self, record: bytes, link: Wire, source: tuple[str, int] | None = None) -> bool:
        """A record arrives on `link`."""
        room = memoryview(bytearray(len(record) + 64))
        room[: len(record)] = record
        return self.sink_for(link)(room[:24], room[24 : len(record)], room[24:], source)

    @property
    def packets(self) -> list[bytes]:
        """IP packets written to the TUN so far."""
        return [entry[VNET_BYTES:] for entry in self.tun_out]

    @property
    def drops(self) -> dict[str, int]:
        return layout.drops(self.world.counters)


def join(
    a: Host, b: Host, *, index: int = 5, rotate: int = ROTATE, suite: Callable[[bytes], object] = AESGCM, tag: int = 16
) -> tuple[Wire, Wire]:
    """A session between two hosts that know each other as peers. Returns the wires a→b and b→a."""
    chains = {a: bytes([index]) * 64, b: bytes([index + 1]) * 64}
    wires = {}
    for host, other in ((a, b), (b, a)):
        wire = wires[host] = Wire()
        wire.transmit_buffer = host.tx
        peer = host.world.peers[other.name]
        session = Session(
            index=index,
            remote_index=index,
            peer=peer,
            sender=Sender(chains[host], 32, suite, rotate, 1 << 32),
            receiver=Receiver(chains[other], 32, suite),
            tag_bytes=tag,
            row=layout.base(index),
        )
        session.link = wire
        host.world.sessions[index] = peer.session = session
        host.outbound.release(peer)
    return wires[a], wires[b]


def pair(**options: object) -> tuple[Host, Host, Wire, Wire]:
    """Hosts a (10.8.0.1, fd00:8::1) and b (10.8.0.2, fd00:8::2) with a session, and the wires a→b and b→a."""
    a, b = Host("a"), Host("b")
    a.peer("b", ["10.8.0.2/32", "fd00:8::2/128"])
    b.peer("a", ["10.8.0.1/32", "fd00:8::1/128"])
    a.route({"10.8.0.2/32": "b", "fd00:8::2/128": "b"})
    b.route({"10.8.0.1/32": "a", "fd00:8::1/128": "a"})
    return a, b, *join(a, b, **options)


def hub() -> tuple[Host, Host, Host]:
    """A hub `h` that forwards between `a` (10.8.0.1) and `c` (10.8.0.2), who reach each other through it; not joined."""
    a, h, c = Host("a"), Host("h"), Host("c")
    a.peer("h", ["10.8.0.0/24"])
    h.peer("a", ["10.8.0.1/32"])
    h.peer("c", ["10.8.0.2/32"])
    c.peer("h", ["10.8.0.0/24"])
    a.route({"10.8.0.0/24": "h"})
    h.route({"10.8.0.1/32": "a", "10.8.0.2/32": "c"})
    h.world.hub = True
    return a, h, c


def carry(wire: Wire, to: Host, back: Wire) -> None:
    """Deliver everything on `wire` to `to`, whose own end of the link is `back`."""
    records, wire.records = wire.records, []
    for record in records:
        to.take(record, back)
