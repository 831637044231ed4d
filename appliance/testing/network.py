"""A network in one process and in virtual time: latency, jitter, loss, repeats, reordering, MTU, outages and NAT.

Everything is drawn from one seed, so a run repeats exactly.

    network = Network(seed=7, latency=0.02, loss=0.05)
    socket = network.bind(("198.51.100.1", 8443), receive)       receive(source, payload)
    socket.send(("203.0.113.9", 8443), b"…")
    network.run(10.0)
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count

Address = tuple[str, int]
"""Host and port."""

IP_UDP_BYTES = 28
FIRST_EPHEMERAL_PORT = 49152


class VirtualClock:
    """Time that passes only when it is told to; callbacks run in the order of their times."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self._order = count()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []

    def call_at(self, when: float, deed: Callable[[], None]) -> None:
        """Run `deed` at `when`, or next when that is past."""
        heappush(self._heap, (max(when, self.now), next(self._order), deed))

    def call_later(self, delay: float, deed: Callable[[], None]) -> None:
        """Run `deed` in `delay` seconds."""
        self.call_at(self.now + delay, deed)

    def advance(self, limit: float) -> bool:
        """Run the next deed if it is due by `limit`; False when none is, and then it is `limit`."""
        if self._heap and self._heap[0][0] <= limit:
            when, _, deed = heappop(self._heap)
            self.now = when
            deed()
            return True
        self.now = max(self.now, limit)
        return False


class Network:
    """Paths between hosts. The attributes may be changed at any time and hold for what is sent from then on.

    `latency` and `jitter` in seconds one way (jitter reorders), `loss` and `repeats` as probabilities, `mtu` in bytes of an
    IP packet.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        latency: float = 0.01,
        jitter: float = 0.0,
        loss: float = 0.0,
        repeats: float = 0.0,
        mtu: int = 1500,
        clock: VirtualClock | None = None,
    ) -> None:
        self.random = random.Random(seed)  # noqa: S311 - it only has to repeat
        self.clock = clock or VirtualClock()
        self.latency = latency
        self.jitter = jitter
        self.loss = loss
        self.repeats = repeats
        self.mtu = mtu
        self.counters: Counter[str] = Counter()
        self.tamper: Callable[[Address, Address, bytes], bytes | None] | None = None
        """Sees each datagram on its way and returns what goes on, or None to drop it."""
        self._sockets: dict[Address, Socket] = {}
        self._acceptors: dict[Address, Callable[[StreamEnd, Address], None]] = {}
        self._nats: dict[str, list[Nat]] = {}
        self._outside: dict[str, list[Nat]] = {}
        self._down: set[str] = set()
        self._streams: list[StreamEnd] = []
        self._ports = count(FIRST_EPHEMERAL_PORT)

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self.clock.now

    def bind(self, address: Address, receive: Callable[[Address, bytes], None]) -> Socket:
        """A datagram socket; port 0 picks one. Raises OSError when the address is taken."""
        host, port = address
        address = (host, port or next(self._ports))
        if address in self._sockets:
            raise OSError(f"{address} is in use")
        self._sockets[address] = socket = Socket(self, address, receive)
        return socket

    def listen(self, address: Address, accept: Callable[[StreamEnd, Address], None]) -> None:
        """Accept streams at `address`: `accept(end, source)` must set `end.receive` and `end.closed`."""
        self._acceptors[address] = accept

    def connect(self, host: str, to: Address) -> StreamEnd | None:
        """A stream from `host`, or None when nobody listens there or the way is cut."""
        accept = self._acceptors.get(to)
        if accept is None or self.cut(host, to[0]):
            return None
        source = (host, next(self._ports))
        near, far = StreamEnd(self, source, to), StreamEnd(self, to, source)
        near.other, far.other = far, near
        self._streams += [near, far]
        accept(far, source)
        return near

    def nat(self, inside: str, outside: str) -> Nat:
        """Put `inside` behind a NAT with the address `outside`."""
        nat = Nat(inside, outside, self._ports)
        self.put_behind(inside, [nat])
        return nat

    def put_behind(self, inside: str, nats: Sequence[Nat]) -> None:
        """Put `inside` behind several NATs in a row, the host's own first."""
        self._nats[inside] = self._outside[nats[-1].outside] = list(nats)

    def seen_from(self, source: Address, to: Address) -> Address | None:
        """Where `to` sees what `source` sends there, whether it arrives or not. None: no NAT lets it out."""
        seen: Address | None = source
        for nat in self._nats.get(source[0], ()):
            seen = None if seen is None else nat.outbound(seen, to)
        return seen

    def take_down(self, host: str) -> None:
        """Nothing reaches or leaves `host` until `bring_up`; streams hang."""
        self._down.add(host)

    def bring_up(self, host: str) -> None:
        """The host is on the network again."""
        self._down.discard(host)

    def close_streams(self, host: str) -> None:
        """Break every stream of `host`; both ends learn of it."""
        for end in list(self._streams):
            if end.address[0] == host:
                end.close()
                end.closed()

    def cut(self, one: str, other: str) -> bool:
        """Is one of the hosts off the network?"""
        return one in self._down or other in self._down

    def run(self, seconds: float) -> None:
        """Let time pass."""
        limit = self.now + seconds
        while self.clock.advance(limit):
            pass

    def run_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Let time pass until `condition` holds; False when it does not within `timeout` seconds."""
        limit = self.now + timeout
        while not condition():
            if not self.clock.advance(limit):
                return condition()
        return True

    def deliver(self, source: Address, to: Address, payload: bytes) -> None:
        """Send one datagram on its way."""
        self.counters["sent"] += 1
        if len(payload) + IP_UDP_BYTES > self.mtu:
            self.counters["too-long"] += 1
            return
        seen = self.seen_from(source, to)
        if seen is None:
            self.counters["filtered"] += 1
            return
        source = seen
        if self.cut(source[0], to[0]) or self.random.random() < self.loss:
            self.counters["lost"] += 1
            return
        if self.tamper is not None:
            changed = self.tamper(source, to, payload)
            if changed is None:
                return
            payload = changed
        for _ in range(2 if self.random.random() < self.repeats else 1):
            delay = self.latency + self.jitter * self.random.random()
            self.clock.call_later(delay, lambda: self._arrive(source, to, payload))

    def _arrive(self, source: Address, to: Address, payload: bytes) -> None:
        for nat in reversed(self._outside.get(to[0], ())):
            inside = nat.inbound(source, to)
            if inside is None:
                self.counters["filtered"] += 1
                return
            to = inside
        socket = self._sockets.get(to)
        if socket is None or self.cut(source[0], to[0]):
            self.counters["unreachable"] += 1
            return
        socket.receive(source, payload)

    def forget(self, address: Address) -> None:
        """A socket was closed."""
        self._sockets.pop(address, None)

    def forget_stream(self, end: StreamEnd) -> None:
        """A stream was closed."""
        if end in self._streams:
            self._streams.remove(end)


class Socket:
    """A datagram socket on the simulated network."""

    def __init__(self, network: Network, address: Address, receive: Callable[[Address, bytes], None]) -> None:
        self.address = address
        self.receive = receive
        self._network = network

    def send(self, to: Address, payload: bytes) -> None:
        """Send one datagram, best effort."""
        self._network.deliver(self.address, to, payload)

    def close(self) -> None:
        """Give the address back."""
        self._network.forget(self.address)


class StreamEnd:
    """One end of a reliable, ordered stream of whole messages. `receive` and `closed` are the owner's callbacks."""

    def __init__(self, network: Network, address: Address, remote: Address) -> None:
        self.address = address
        self.remote = remote
        self.other: StreamEnd
        self.open = True
        self.receive: Callable[[bytes], None] = lambda _: None
        self.closed: Callable[[], None] = lambda: None
        self._network = network
        self._arrival = 0.0

    def send(self, message: bytes) -> None:
        """Send one message; it arrives after those before it, or never when the stream breaks."""
        network = self._network
        if not self.open or network.cut(self.address[0], self.remote[0]):
            return
        self._arrival = max(self._arrival, network.now + network.latency + network.jitter * network.random.random())
        network.clock.call_at(self._arrival, lambda: self.other.arrive(message))

    def arrive(self, message: bytes) -> None:
        """A message of the other end is here."""
        if self.open:
            self.receive(message)

    def close(self) -> None:
        """Break the stream; the other end learns of it one latency later."""
        if self.open:
            self.open = False
            self._network.forget_stream(self)
            self._network.clock.call_later(self._network.latency, self.other.hang_up)

    def hang_up(self) -> None:
        """The other end closed."""
        if self.open:
            self.open = False
            self._network.forget_stream(self)
            self.closed()


class Nat:
    """Endpoint-independent mapping, address-and-port-dependent filtering (RFC 4787): who was sent nothing gets nothing in."""

    def __init__(self, inside: str, outside: str, ports: count[int]) -> None:
        self.inside = inside
        self.outside = outside
        self._ports = ports
        self._mapped: dict[Address, Address] = {}
        self._back: dict[Address, Address] = {}
        self._allowed: set[tuple[Address, Address]] = set()

    def outbound(self, source: Address, to: Address) -> Address | None:
        """The source that the outside sees; None: it is not let out."""
        if source not in self._mapped:
            self._mapped[source] = outside = (self.outside, next(self._ports))
            self._back[outside] = source
        self._allowed.add((self._mapped[source], to))
        return self._mapped[source]

    def inbound(self, source: Address, to: Address) -> Address | None:
        """Where a datagram from outside goes, or None when it is filtered."""
        return self._back.get(to) if (to, source) in self._allowed else None

    def rebind(self) -> None:
        """Forget every mapping, as a home router does overnight: the next packet comes from another port."""
        self._mapped.clear()
        self._back.clear()
        self._allowed.clear()
