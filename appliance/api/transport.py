"""What a transport plugin implements.

A transport has two halves. The *kind* and its `Transport` live in the control process: they listen, dial and hand over sockets.
The *driver* lives in the worker process, which owns the sockets and moves the bytes: it is named by an import path, must not
import asyncio, pydantic or anything heavy, and its methods are hot.

    control                                         worker
    TransportKind.open(settings, services)          driver(sock, options, buffers) -> Driver
      listen(endpoint) ──── services.adopt(sock) ──┐  receive(sink)      a batch of records in
      dial(endpoint)   ──── returns the socket ────┼▶ transmit(length)   one record out
      connect(...)     ──── returns the socket ────┘  send_packet(...)   a handshake packet out
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from appliance.api.services import Services
from appliance.api.values import Endpoint, Octets

SocketAddress = tuple[str, int]
"""Address literal and port of the far end, as seen from here. Never an IPv4-mapped address: a socket is of one family."""


class Adopted(NamedTuple):
    """A socket that the transport hands over to the core."""

    sock: socket.socket
    local: Endpoint
    """The endpoint that it is bound to."""
    remote: Endpoint | None
    """The far end; None for a listener."""
    listener: bool
    """It is a datagram socket that many peers share."""
    driver_options: Mapping[str, int | str]
    """They go to the driver as they are: numbers and short strings. Of datagram drivers the core reads `datagram` (bytes of
    payload in a datagram) and `adapts` (see `AdaptiveDriver`)."""


class TransportServices(Services, Protocol):
    """What the core gives a transport."""

    @property
    def datagram_bytes(self) -> int | None:
        """What the profile's `network.datagram` says: bytes of payload in a datagram. None: as much as the path takes."""

    def exempt(self, sock: socket.socket) -> None:
        """Keep what `sock` sends out of the overlay. Call it for every socket as soon as it is made: binding or connecting
        decides which address it sends from."""

    def adopt(self, adopted: Adopted) -> None:
        """Hand over a socket that was accepted, or that several peers share. From then on it belongs to the core."""

    async def next_turn(self) -> None:
        """Stream kinds: await it before each accept. It returns when the node takes another stranger, and after a few of them it
        lets others use the event loop. Meanwhile connections wait in the kernel."""

    def welcomes(self, source: SocketAddress) -> bool:
        """Stream kinds: may a stranger from `source` that was just accepted be handed over? False: close the connection, because
        too many came from there."""


class Transport(Protocol):
    """An open transport in the control process."""

    async def listen(self, at: Endpoint) -> Endpoint:
        """Accept peers at `at`. Returns the endpoint that was really bound. Raises OSError (EADDRINUSE …) if that is not
        possible."""

    async def dial(self, to: Endpoint, timeout: float) -> Adopted:
        """Reach `to` (its host is an address literal by now, or it has none). From then on the socket belongs to the core.

        Raises OSError or TimeoutError.
        """

    async def connect(self, local: Endpoint, to: Endpoint) -> Adopted | None:
        """Datagram kinds: a socket of its own for a peer that came in through a listener, so that the worker can use a connected
        socket. `local` is the listener's endpoint; if the listener has several addresses, it has the one that the peer spoke to
        (see `ListenerDriver`). None means: go on through the listener. Stream kinds return None."""

    async def close(self) -> None:
        """Stop listening, and forget everything. The core closes links that were handed over."""


class TransportKind(NamedTuple):
    """A transport as it is registered by `appliance_transports()`; see `api.kinds` for the first three fields.

    Its settings stand below `transports.NAME` in a profile. It is opened once for all dialling, and once for each address it
    listens at.
    """

    name: str
    """The URL scheme of its endpoints."""
    settings: Callable[[], type[Any]] | None
    open: Callable[[Any, TransportServices], Transport]
    datagram: bool
    """Records may be lost, repeated, reordered and split."""
    driver: str
    """Import path "package.module:Class" of the worker half, called as `Class(sock, options, buffers)`."""
    authority: Callable[[str], None] | None = None
    """Judges what stands behind `NAME://` in a profile: raises ValueError with a sentence for the admin, quickly and without I/O.
    None: its endpoints are host:port. An endpoint whose `host` is no address and not empty is looked up before it is dialled, and
    keeps its `authority`; one without a host is dialled as it is."""


DropReason = Literal["malformed", "reassembly", "congested", "unreachable", "oversized"]
"""Why a driver dropped something. The node counts each reason."""


def nobody_asks(_driver: Driver) -> None:
    """`Buffers.learned` if nobody wants to know."""


class Buffers(NamedTuple):
    """Memory that all drivers of a worker share."""

    transmit: memoryview
    """[0:24] has the header of the record to send, and what comes behind is its ciphertext."""
    receive: memoryview
    """512 KiB to read datagrams and streams into. Nothing in it is kept between two calls of `receive`."""
    plain: memoryview
    """Where a record is opened whose pieces were not one behind the other. Nothing in it is kept either."""
    drop: Callable[[DropReason, int], None]
    """`drop(reason, count)` counts what had to be dropped."""
    learned: Callable[[Driver], None] = nobody_asks
    """`learned(driver)` is to be called by an OffloadingDriver when its `offload_problem` has changed."""


RecordSink = Callable[[Octets, Octets, memoryview, "SocketAddress | None"], bool]
"""`sink(header, body, room, source) -> bool`: one whole record. `header` is its 24 bytes, `body` the payload (ciphertext) and
`room` at least as much writable memory to open it into (may be the same memory as `body`). `source` is None on connected
sockets. False: the record was not authentic. Packets of the handshake types are passed one by one, fragments unjoined."""


class Driver(Protocol):
    """The worker's half of one socket. No method may raise because of what a peer sends."""

    whole_bytes: int
    """The longest record body that `transmit` sends in one piece. A longer one gets the FRAGMENT flag before it is sealed;
    stream drivers say 65535."""

    fragment_flags: int
    """Header flags of a record longer than `whole_bytes`: FRAGMENT (0x04) and the bits that tell its parity. Streams: 0."""

    record_bytes: int
    """The longest record body that one send carries well. Small packets are gathered up to it; a single super-packet may need
    more, at most 65535."""

    def fileno(self) -> int:
        """The descriptor the worker polls."""

    def receive(self, sink: RecordSink) -> bool:
        """Read what waits, at most a few records, and pass on each record. False: the link is closed for good."""

    def transmit(self, length: int) -> bool:
        """Send the record in `buffers.transmit[:24 + length]`. False: the link took it, but it is full now. The driver keeps the
        rest, and the worker sends no more until `flush` returns True."""

    def transmit_to(self, length: int, to: SocketAddress) -> bool:
        """The same, to an address, through the shared socket of a listener."""

    def protect(self, span: int) -> None:
        """Send one parity piece for every `span` pieces of a cut record: 16, 8 or 4 (the most parity), or 0 for none. Streams
        need none."""

    def arrivals(self) -> tuple[int, int]:
        """Datagrams of cut records that came so far, and how many should have come. Streams: 0, 0."""

    def flush(self) -> bool:
        """Send what was kept back. True if nothing is left."""

    def send_packet(self, packet: bytes, to: SocketAddress | None) -> None:
        """Send one handshake packet, best effort; `to` is None on connected sockets."""

    def close(self) -> None:
        """Close the socket."""


class ListenerDriver(Driver, Protocol):
    """What else the driver of a listener has that takes datagrams for several addresses of this host.

    Its replies leave from the address that the far end spoke to. If a node has several workers, one of them reads the socket and
    the others only send over it: `reply_from` tells them what the reader knows.
    """

    def local_of(self, source: SocketAddress) -> str | None:
        """The address literal that `source` spoke to last. None if the socket has only one address, or if it is not known."""

    def reply_from(self, to: SocketAddress, local: str) -> None:
        """`to` spoke last to the address literal `local`."""


@runtime_checkable
class AdaptiveDriver(Driver, Protocol):
    """A datagram driver that can change the size of its datagrams while it runs. Its transport gives it the driver option
    `adapts: 1`, and `datagram`: the size that it begins with, and the most that the route takes. Then the core finds out what the
    path takes. If the kernel learns of a smaller limit, the driver keeps to that and drops the rest as "oversized"."""

    def shape(self, datagram: int) -> None:
        """Cut records into datagrams of this many bytes from now on. `whole_bytes` and `record_bytes` change with it."""

    def transmit_whole(self, length: int) -> None:
        """Send the record in `buffers.transmit[:24 + length]` as one datagram on a connected socket, best effort."""


@runtime_checkable
class OffloadingDriver(Driver, Protocol):
    """A driver that lets the kernel cut a record into datagrams (UDP_SEGMENT), and cuts it itself if the kernel refuses: some
    devices cannot do it, and IPsec never can. What was refused is sent again, so nothing is lost."""

    offload_problem: str
    """Why the kernel does not cut, as an errno's name ("EIO"); "" while it does. Call `Buffers.learned` on each change."""

    def try_offload(self) -> None:
        """The host's routes or devices changed, or a minute has passed: try once more, with a record that needs it."""
