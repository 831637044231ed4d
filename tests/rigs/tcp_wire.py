"""Two stacks on a bad wire in virtual time: what one sends the other gets late, twice, in another order, or never."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from ipaddress import ip_address, ip_interface

from appliance.dataplane.vnet import split
from appliance.tcp.connection import Connection
from appliance.tcp.flows import Flow
from appliance.tcp.stack import Stack
from appliance.tcp.states import OPENING, Ending

MTU = 1420


class End:
    """One stack and a greedy application: it reads all it may, and writes what it was given."""

    def __init__(self, wire: Wire, address: str, mtu: int = MTU) -> None:
        self.wire = wire
        self.address = ip_address(address.split("/")[0]).packed
        self.stack = Stack([ip_interface(address)], mtu, b"k" * 32, wire.random.randbytes, wire.now)
        self.peers: list[Peer] = []

    def connect(self, other: End, port: int, to_send: bytes = b"", **named: bool) -> Peer:
        peer = Peer(self, self.stack.connect(other.address, port, self.wire.now), to_send, **named)
        self.peers.append(peer)
        return peer

    def step(self) -> None:
        """Let the applications see what happened, and put on the wire what there is."""
        now = self.wire.now
        while True:
            flow = self.stack.poll_event()
            if flow is None:
                break
            if isinstance(flow, Flow) and flow.token is None and flow.connection.opened and self.accept is not None:
                self.peers.append(self.accept(flow))
        for peer in self.peers:
            peer.act(now)
        while (entry := self.stack.poll_transmit(now)) is not None:
            self.wire.carry(self, entry)

    accept: Callable[[Flow], Peer] | None = None


class Peer:
    """An application at one connection."""

    def __init__(self, end: End, flow: Flow, to_send: bytes = b"", *, reads: bool = True, finishes: bool = True) -> None:
        self.end, self.flow, self.left = end, flow, memoryview(to_send)
        self.reads, self.finishes = reads, finishes
        self.got = bytearray()
        self.told_end = False
        flow.token = self

    @property
    def connection(self) -> Connection:
        return self.flow.connection

    @property
    def ending(self) -> Ending | None:
        return self.connection.ending

    def act(self, now: float) -> None:
        connection = self.connection
        if connection.state in OPENING:
            return
        if self.reads:
            while (chunk := connection.incoming()) is not None:
                self.got += chunk
                connection.consumed(len(chunk))
            if connection.peer_finished:
                self.told_end = True
        while self.left and (room := connection.room()):
            connection.write(bytes(self.left[:room]))
            self.left = self.left[room:]
        if not self.left and self.finishes:
            connection.finish()
        self.end.stack.touched(self.flow)


class Wire:
    """`loss`, `doubled`, `late`: how probable each is for a packet. Super-packets travel whole, or in parts if `parts`."""

    def __init__(
        self,
        seed: int = 0,
        *,
        loss: float = 0.0,
        doubled: float = 0.0,
        late: float = 0.0,
        delay: float = 0.01,
        parts: bool = True,
    ) -> None:
        self.random = random.Random(seed)
        self.now = 1000.0
        self.loss, self.doubled, self.late, self.delay, self.parts = loss, doubled, late, delay, parts
        self.a, self.b = End(self, "10.8.0.1/24"), End(self, "10.8.0.2/24")
        self.carried = 0
        self.watch: Callable[[End, bytes], bool] = lambda _end, _entry: True
        """Sees each packet; False: it is lost."""
        self._under_way: list[tuple[float, int, End, bytes]] = []
        self._number = itertools.count()

    def carry(self, source: End, entry: bytes) -> None:
        other = self.b if source is self.a else self.a
        for packet in split(memoryview(entry)) if self.parts else [entry]:
            self.carried += 1
            if self.random.random() < self.loss or not self.watch(source, packet):
                continue
            for _ in range(1 + (self.random.random() < self.doubled)):
                delay = self.delay * (1 + 3 * self.random.random() * (self.random.random() < self.late))
                heapq.heappush(self._under_way, (self.now + delay, next(self._number), other, bytes(packet)))

    def run(self, until: Callable[[], bool], *, seconds: float = 600.0) -> None:
        """Let time pass until that is so."""
        end = self.now + seconds
        while True:
            self.a.step()
            self.b.step()
            if until():
                return
            times = [at for at in (self.a.stack.poll_timeout(), self.b.stack.poll_timeout()) if at is not None]
            times += [self._under_way[0][0]] if self._under_way else []
            assert times, "nothing will ever happen again"
            self.now = max(self.now, min(times))
            assert self.now <= end, "it takes too long"
            while self._under_way and self._under_way[0][0] <= self.now:
                _, _, target, packet = heapq.heappop(self._under_way)
                target.stack.handle_input(memoryview(packet), self.now)
            for each in (self.a, self.b):
                each.stack.handle_timeout(self.now)
