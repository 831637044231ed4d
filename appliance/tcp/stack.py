"""All of a node's TCP, UDP and ICMP, as one pure machine over entries: virtio header and IP packet (`wire.entries`).

    handle_input(entry, now)     a packet from the overlay
    poll_transmit(now)           the next packet for it
    poll_event()                 a connection or port that the application's side is to look at
    poll_timeout()               when handle_timeout(now) is to be called

Packets are made when they are asked for, so that one who sends slowly holds nothing. Connections take turns.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from ipaddress import IPv4Interface, IPv6Interface, ip_address
from typing import Final

from appliance.tcp import control_messages, datagrams, ip, segment
from appliance.tcp.connection import Connection, Setup
from appliance.tcp.control_messages import TooBig
from appliance.tcp.counted import Allowance, Count, Counts, Memory
from appliance.tcp.datagrams import UdpPort
from appliance.tcp.flows import Flow, Flows, Key
from appliance.tcp.initial import initial_number, stamp_offset
from appliance.tcp.ip import Packet, Refused
from appliance.tcp.segment import ACK, DEFAULT_MSS, RST, SYN, Outgoing, Segment, SegmentWriter
from appliance.tcp.states import State

Interface = IPv4Interface | IPv6Interface

MEMORY_BYTES: Final = 64 << 20
"""What all connections hold together. Chosen: a host with 512 MiB notices, and goes on."""
MOST_ANSWERS: Final = 256
"""Echo replies, resets, errors and datagrams that wait to be sent."""
MOST_UDP: Final = 4096
"""Ports for datagrams; one costs a descriptor, and at most 256 KiB that wait."""
ERRORS_PER_SECOND: Final = 50
"""Resets about unknown connections, and errors about unknown ports."""
FIRST_PORT: Final = 32768
PORTS: Final = 28232
"""Ports of our own choice are FIRST_PORT and those behind it, as on Linux."""


class NoPort(Exception):
    """A port that is taken already, or none is free."""


class Stack:
    """`key`: 32 random bytes that nobody else knows. `entropy(count)` gives random bytes, for ports. `mtu`: bytes of the longest
    ordinary packet."""

    def __init__(
        self,
        addresses: Iterable[Interface],
        mtu: int,
        key: bytes,
        entropy: Callable[[int], bytes],
        now: float,
        *,
        memory: int = MEMORY_BYTES,
    ) -> None:
        self.counts: Counts = Counts()
        self.memory = Memory(memory)
        self.flows = Flows(self.counts)
        self.refill: Callable[[Flow], None] = lambda _flow: None
        """Called with a connection that can send now, so that it takes what its application has."""
        self._key = key
        self._entropy = entropy
        self._listening: set[int] = set()
        self._udp: dict[tuple[int, tuple[bytes, int] | None], UdpPort] = {}
        """By number and peer; None: those for everybody else."""
        self._queue: deque[Flow] = deque()
        self._answers: deque[tuple[bytes, bytes]] = deque()
        """Entries, and for whom they are."""
        self._shown: deque[Flow | UdpPort] = deque()
        self._timers: list[tuple[float, int, Flow]] = []
        self._number = itertools.count()
        self._allowance = Allowance(ERRORS_PER_SECOND, now)
        self._interfaces: tuple[Interface, ...] = ()
        self._own: frozenset[bytes] = frozenset()
        self.use(addresses, mtu)

    def use(self, addresses: Iterable[Interface], mtu: int) -> None:
        """These are this node's addresses now. What is longer than `mtu` bytes holds for new connections."""
        self._mtu = mtu
        self._interfaces = tuple(addresses)
        self._own = frozenset(interface.ip.packed for interface in self._interfaces)

    # ---- the application's side ----

    def connect(self, remote: bytes, port: int, now: float) -> Flow:
        """Open a connection. Raises NoPort if there are too many, LookupError if there is no address to call from."""
        local = self.source_for(remote)
        key = self._free_key(local, remote, port)
        flow = Flow(key, Connection.call(self._setup(key, now), now))
        if not self.flows.add(flow):
            raise NoPort("too many connections")
        self.touched(flow)
        return flow

    def listen(self, port: int) -> int:
        """Let others connect to that port; 0: to a free one. Raises NoPort."""
        number = port or self._free_port(self._listening)
        if number in self._listening:
            raise NoPort(f"port {number} is taken")
        self._listening.add(number)
        return number

    def unlisten(self, port: int) -> None:
        """Nobody may connect to that port from now on. Connections go on."""
        self._listening.discard(port)

    def open_udp(self, port: int, peer: tuple[bytes, int] | None = None, local: bytes | None = None) -> UdpPort:
        """Take datagrams for that port; 0: for a free one. With `peer` only from there, and all that come from there. Raises
        NoPort."""
        number = port or self._free_port(number for number, _ in self._udp)
        if (number, peer) in self._udp:
            raise NoPort(f"port {number} is taken")
        if len(self._udp) >= MOST_UDP:
            raise NoPort("too many ports for datagrams")
        made = self._udp[number, peer] = UdpPort(number, self.counts, peer, local)
        return made

    def close_udp(self, port: UdpPort) -> None:
        """Take no more."""
        self._udp.pop((port.number, port.peer), None)

    def send_datagram(self, port: UdpPort, remote: bytes, remote_port: int, data: bytes, local: bytes | None = None) -> None:
        """Send one from that port; it may be dropped. Raises LookupError if there is no address to send from."""
        if len(data) > datagrams.MOST_BYTES:
            self.counts[Count.QUEUE_FULL] += 1
            return
        source = local or port.local or self.source_for(remote)
        self._answer(datagrams.entry(source, port.number, remote, remote_port, data), remote)

    def touched(self, flow: Flow) -> None:
        """The application's side did something with that connection."""
        if not flow.queued:
            flow.queued = True
            self._queue.append(flow)
        self._schedule(flow)

    def source_for(self, remote: bytes) -> bytes:
        """Our address in the receiver's network; if there is none, our first of its family. Raises LookupError."""
        to = ip_address(remote)
        own = [interface for interface in self._interfaces if interface.version == to.version]
        near = [interface for interface in own if to in interface.network]
        for interface in near + own:
            return interface.ip.packed
        raise LookupError(f"this node has no IPv{to.version} address")

    def forget(self, flow: Flow) -> None:
        """The application's side needs nothing of it any more; what is still to be sent is."""
        flow.token, flow.left = None, True
        self.touched(flow)

    def is_own(self, address: bytes) -> bool:
        """Is it this node's?"""
        return address in self._own

    # ---- packets ----

    def handle_input(self, entry: memoryview, now: float) -> None:
        """A packet from the overlay. Whatever it is, it does not raise."""
        try:
            packet = ip.parse(entry)
            if packet.destination not in self._own:
                raise Refused(Count.NOT_OURS)
            if packet.protocol == ip.TCP:
                self._handle_tcp(packet, segment.parse(packet), now)
            elif packet.protocol == ip.UDP:
                self._handle_udp(packet, now)
            elif packet.protocol == (ip.ICMP if len(packet.source) == 4 else ip.ICMPV6):
                self._handle_icmp(packet)
            else:
                raise Refused(Count.PROTOCOL)
        except Refused as refused:
            self.counts[refused.why] += 1

    def _handle_tcp(self, packet: Packet, came: Segment, now: float) -> None:
        key = Key(packet.destination, came.destination_port, packet.source, came.source_port)
        flow = self.flows.get(key)
        if flow is not None and flow.connection.state is State.TIME_WAIT and self._begins_anew(flow, came):
            self.flows.forget(flow)
            flow = None
        if flow is not None and flow.connection.state is not State.CLOSED:
            flow.connection.handle_segment(came, now)
            self._handled(flow)
        elif came.flags & (SYN | ACK | RST) == SYN and came.destination_port in self._listening:
            flow = Flow(key, Connection.answer(self._setup(key, now), came, now))
            if self.flows.add(flow):
                self.touched(flow)
        else:
            self._reset(key, came, now)

    def _begins_anew(self, flow: Flow, came: Segment) -> bool:
        """A SYN with a higher number than all before ends TIME-WAIT early (RFC 9293, 3.6.1)."""
        receiver = flow.connection.receiver
        anew = came.flags & (SYN | ACK | RST) == SYN and receiver is not None
        return anew and segment.unwrapped(came.sequence, receiver.next) > receiver.next  # type: ignore[union-attr]

    def _reset(self, key: Key, came: Segment, now: float) -> None:
        """Nobody has that connection (RFC 9293, 3.10.7.1)."""
        self.counts[Count.NO_PORT] += 1
        if came.flags & RST or not self._allowance.take(now):
            return
        if came.flags & ACK:
            out = Outgoing(came.acknowledgement, 0, RST, 0)
        else:
            out = Outgoing(0, came.sequence + came.length, RST | ACK, 0)
        self._answer(SegmentWriter(key.local, key.remote, key.local_port, key.remote_port).write(out), key.remote)

    def _handle_udp(self, packet: Packet, now: float) -> None:
        for datagram in datagrams.parse(packet):
            number, peer = datagram.destination_port, (datagram.source, datagram.source_port)
            port = self._udp.get((number, peer)) or self._udp.get((number, None))
            if port is None:
                self.counts[Count.NO_PORT] += 1
                if self._allowance.take(now):
                    self._answer(control_messages.port_unreachable(packet), packet.source)
                return
            if port.take(datagram) and len(port.received) == 1:
                self._shown.append(port)

    def _handle_icmp(self, packet: Packet) -> None:
        answer = control_messages.answer(packet)
        if isinstance(answer, TooBig):
            flow = self.flows.get(Key(packet.destination, answer.source_port, answer.destination, answer.destination_port))
            if flow is not None:
                flow.connection.too_big(answer.payload_bytes, answer.sequence)
                self.touched(flow)
        elif answer is not None:
            self._answer(answer, packet.source)
        else:
            raise Refused(Count.PROTOCOL)

    def _answer(self, entry: bytes, remote: bytes) -> None:
        if len(self._answers) >= MOST_ANSWERS:
            self.counts[Count.QUEUE_FULL] += 1
        else:
            self._answers.append((entry, remote))

    def poll_transmit(self, now: float) -> bytes | None:
        """The next entry for the overlay; None for now. What is for this node itself is handled at once."""
        while True:
            if self._answers:
                entry, remote = self._answers.popleft()
            elif self._queue:
                flow = self._queue.popleft()
                flow.queued = False
                self.refill(flow)
                out = flow.connection.poll_transmit(now)
                if out is None:
                    self._rest(flow)
                    continue
                self.touched(flow)
                entry, remote = flow.writer.write(out), flow.key.remote
            else:
                return None
            if remote not in self._own:
                return entry
            self.handle_input(memoryview(entry), now)

    def _rest(self, flow: Flow) -> None:
        """It has nothing to send now."""
        if flow.connection.state is State.CLOSED and flow.token is None:
            self.flows.forget(flow)
        else:
            self._schedule(flow)

    # ---- events and time ----

    def _handled(self, flow: Flow) -> None:
        self.flows.moved(flow)
        self.touched(flow)
        self._show(flow)

    def _show(self, flow: Flow) -> None:
        if not flow.shown and not flow.left and flow.connection.state is not State.SYN_RECEIVED:
            flow.shown = True
            self._shown.append(flow)

    def poll_event(self) -> Flow | UdpPort | None:
        """The next that changed; None if there is none."""
        if not self._shown:
            return None
        found = self._shown.popleft()
        if isinstance(found, Flow):
            found.shown = False
        return found

    def poll_timeout(self) -> float | None:
        """When `handle_timeout` is to be called."""
        while self._timers:
            at, _, flow = self._timers[0]
            if flow.scheduled == at:
                return at
            heapq.heappop(self._timers)
        return None

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        while self._timers and self._timers[0][0] <= now:
            at, _, flow = heapq.heappop(self._timers)
            if flow.scheduled != at:
                continue
            flow.scheduled = float("inf")
            due = flow.connection.poll_timeout()
            if due is not None and due <= now:
                flow.connection.handle_timeout(now)
                self._handled(flow)
            else:
                self._schedule(flow)

    def _schedule(self, flow: Flow) -> None:
        due = flow.connection.poll_timeout()
        if due is not None and due < flow.scheduled:
            flow.scheduled = due
            heapq.heappush(self._timers, (due, next(self._number), flow))

    # ---- making connections ----

    def _setup(self, key: Key, now: float) -> Setup:
        most = self._mtu - (ip.V4_BYTES if len(key.local) == 4 else ip.V6_BYTES) - segment.HEADER_BYTES
        packed = key.packed
        return Setup(
            initial=initial_number(self._key, packed, now),
            mss=most,
            peer_mss=DEFAULT_MSS[len(key.local)],
            stamp_offset=stamp_offset(self._key, packed),
            memory=self.memory,
            counts=self.counts,
        )

    def _free_key(self, local: bytes, remote: bytes, port: int) -> Key:
        for number in self._candidates():
            key = Key(local, number, remote, port)
            if number not in self._listening and self.flows.get(key) is None:
                return key
        raise NoPort("no port is free")

    def _free_port(self, taken: Iterable[int]) -> int:
        used = frozenset(taken)
        for number in self._candidates():
            if number not in used:
                return number
        raise NoPort("no port is free")

    def _candidates(self) -> Iterable[int]:
        """Ports in an order that begins anywhere (RFC 6056, 3.3.1)."""
        start = int.from_bytes(self._entropy(2), "big") % PORTS
        return (FIRST_PORT + (start + step) % PORTS for step in range(PORTS))
