"""Both halves of a transport over the loopback, wired as the core does: the control half adopts, the worker half moves bytes.

async with TransportPair(kind, "127.0.0.1") as pair:
    pair.near.transmit(record);  pair.far.take() == [record]
"""

from __future__ import annotations

import asyncio
import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import TracebackType
from typing import Any, Self

from appliance.api.kinds import settings_of
from appliance.api.records import DATA, FRAGMENT, HANDSHAKE_INIT, HANDSHAKES, HEADER_BYTES, LAST, MAX_BODY_BYTES, TYPE_AT, Record
from appliance.api.transport import Adopted, Buffers, Driver, DropReason, SocketAddress, Transport, TransportKind
from appliance.api.values import Endpoint, Octets
from appliance.testing.services import FakeServices
from appliance.wire.envelope import pack

TRANSMIT_BYTES = HEADER_BYTES + 2 * MAX_BODY_BYTES
RECEIVE_BYTES = 512 * 1024
PLAIN_BYTES = 128 * 1024
PATIENCE = 5.0
"""Seconds of real time for what the loopback does in microseconds."""
_START_SECONDS = 60.0
"""The same for what may take a process that has to start first, on a crowded machine."""
STILL = 0.05
"""Seconds without anything readable after which nothing more comes over the loopback."""


def record(number: int, body: bytes, *, whole_bytes: int = MAX_BODY_BYTES, kind: int = DATA, flags: int = FRAGMENT) -> Record:
    """A record as the worker would hand it to a driver that sends `whole_bytes` in one piece; a longer one gets `flags`."""
    flags = flags if len(body) > whole_bytes else 0
    return Record(pack(kind, flags, 5 << 8, number << 8, number, len(body)), body)


def handshake_packet(number: int, body: bytes, *, fragment: bool = False) -> bytes:
    """A packet of the handshake, which a driver passes on as it is."""
    flags = FRAGMENT | LAST if fragment else 0
    return pack(HANDSHAKE_INIT, flags, 0, number << 8, 0, len(body)) + body


def driver_class(kind: TransportKind) -> type[Driver]:
    """What the worker imports for a kind."""
    module, _, name = kind.driver.partition(":")
    found: type[Driver] = getattr(import_module(module), name)
    return found


class End:
    """The worker's half of one socket, with buffers of its own. `records` and `packets` are what came in, copied."""

    def __init__(self, kind: TransportKind, adopted: Adopted) -> None:
        self.adopted = adopted
        self.dropped: Counter[str] = Counter()
        self.records: list[Record] = []
        self.packets: list[bytes] = []
        self.sources: list[SocketAddress | None] = []
        self.open = True
        self.authentic = True
        self._transmit = memoryview(bytearray(TRANSMIT_BYTES))
        buffers = Buffers(self._transmit, memoryview(bytearray(RECEIVE_BYTES)), memoryview(bytearray(PLAIN_BYTES)), self._drop)
        make = driver_class(kind)
        self.driver: Driver = make(adopted.sock, adopted.driver_options, buffers)  # type: ignore[call-arg]

    @property
    def bound(self) -> SocketAddress:
        """Where the socket is bound."""
        host, port = self.adopted.sock.getsockname()[:2]
        return host, port

    def transmit(self, sent: Record, to: SocketAddress | None = None) -> bool:
        """Send as the worker does: the record lies in the shared buffer."""
        length = self.hold(sent)
        clear = self.driver.transmit(length) if to is None else self.driver.transmit_to(length, to)
        # the worker writes the next record into the same memory, at once
        self._transmit[: HEADER_BYTES + length] = b"\xee" * (HEADER_BYTES + length)
        return clear

    def hold(self, sent: Record) -> int:
        """Lay a record into the shared buffer. Returns the length of its body."""
        length = len(sent.body)
        self._transmit[: HEADER_BYTES + length] = sent.header + sent.body
        return length

    def receive(self) -> bool:
        """One turn of the worker: read what waits."""
        self.open = self.driver.receive(self._sink)
        return self.open

    def take(self, count: int, other: End | None = None) -> list[Record]:
        """Read until `count` records are there, flushing `other` meanwhile; what has come by then, if they do not come."""
        self._until(lambda: len(self.records) >= count, other)
        return self.records

    def take_packets(self, count: int) -> list[bytes]:
        """The same for packets of the handshake."""
        self._until(lambda: len(self.packets) >= count, None)
        return self.packets

    def drain_once(self) -> None:
        """Read once when something waits."""
        if self.open and self._readable(STILL):
            self.receive()

    def drain(self) -> None:
        """Read until nothing more comes."""
        while self.open and self._readable(STILL):
            self.receive()

    def _until(self, enough: Callable[[], bool], other: End | None) -> None:
        deadline = time.monotonic() + PATIENCE
        while not enough() and time.monotonic() < deadline:
            if other is not None:
                other.driver.flush()
            if self._readable(STILL) and not self.receive():
                break

    def _readable(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.driver.fileno(), select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _drop(self, reason: DropReason, count: int) -> None:
        self.dropped[reason] += count

    def _sink(self, header: Octets, body: Octets, room: memoryview, source: SocketAddress | None) -> bool:
        assert len(header) == HEADER_BYTES
        assert len(room) >= len(body), "there is no room to open the record into"
        assert source is None or tuple(map(type, source)) == (str, int), "a source is a host and a port"
        self.sources.append(source)
        if header[TYPE_AT] in HANDSHAKES:
            self.packets.append(bytes(header) + bytes(body))
        else:
            self.records.append(Record(bytes(header), bytes(body)))
            room[: len(body)] = b"\xdd" * len(body)  # as opening in place does
        return self.authentic


class FakeTransportServices(FakeServices):
    """`TransportServices` of `appliance.api.transport`: remembers what was handed over, runs tasks until `close`."""

    def __init__(self, datagram_bytes: int | None = None) -> None:
        super().__init__()
        self.datagram_bytes: int | None = datagram_bytes
        self.exempted: set[int] = set()
        self.adopted: list[Adopted] = []
        self.unwelcome: set[str] = set()
        self.asked = 0
        self._news = asyncio.Event()

    def exempt(self, sock: socket.socket) -> None:
        """A socket sends outside the overlay from now on."""
        self.exempted.add(sock.fileno())

    def adopt(self, adopted: Adopted) -> None:
        """Take a socket over."""
        self.adopted.append(adopted)
        self._news.set()

    async def next_turn(self) -> None:
        """At once."""

    def welcomes(self, source: SocketAddress) -> bool:
        """Everybody but those at addresses in `unwelcome`, who are counted in `asked` too."""
        self.asked += 1
        return source[0] not in self.unwelcome

    async def wait_for(self, count: int) -> Adopted:
        """The `count`th socket (from 0), once it is handed over."""
        async with asyncio.timeout(_START_SECONDS):
            while len(self.adopted) <= count:
                self._news.clear()
                await self._news.wait()
        return self.adopted[count]

    async def close(self) -> None:
        """End all tasks and close all sockets."""
        await super().close()
        for adopted in self.adopted:
            adopted.sock.close()


class TransportPair:
    """A dialled link (`near`) and its other end (`far`): a connected socket, or the listener's where the kind has no others.

    `listener` is the shared socket of datagram kinds, else None.
    """

    near: End
    far: End
    listener: End | None
    local: Endpoint

    def __init__(
        self,
        kind: TransportKind,
        host: str,
        datagram_bytes: int | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.kind = kind
        self._settings = settings_of(kind, settings or {})
        self.host = host
        self.server = FakeTransportServices(datagram_bytes)
        self.client = FakeTransportServices(datagram_bytes)
        self._transports: list[Transport] = []

    async def __aenter__(self) -> Self:
        """Listen, dial, and let the first packet find its way."""
        server, client = (self.kind.open(self._settings, services) for services in (self.server, self.client))
        self._transports = [server, client]
        try:
            self.local = await server.listen(Endpoint(self.kind.name, self.host, 0))
            self.client.adopt(await client.dial(self.local, _START_SECONDS))
            self.near = End(self.kind, self.client.adopted[0])
            await (self._meet_datagram(server) if self.kind.datagram else self._meet_stream())
        except BaseException:
            await self._close()
            raise
        return self

    @property
    def halves(self) -> Sequence[Transport]:
        """The control halves, listening and dialling."""
        return self._transports

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close everything."""
        await self._close()

    async def _meet_stream(self) -> None:
        self.listener = None
        self.far = End(self.kind, await self.server.wait_for(0))

    async def _meet_datagram(self, server: Transport) -> None:
        shared = await self.server.wait_for(0)
        self.listener = End(self.kind, shared)
        self.near.driver.send_packet(handshake_packet(1, b"here I am"), None)
        self.listener.take_packets(1)
        source = self.listener.sources[0]
        assert source is not None, "packets of a listener's socket carry their source"
        own = await server.connect(self.local, Endpoint(self.kind.name, *source))
        if own is None:
            self.far = self.listener
        else:
            self.server.adopt(own)
            self.far = End(self.kind, own)

    async def _close(self) -> None:
        for transport in self._transports:
            await transport.close()
        await self.client.close()
        await self.server.close()
