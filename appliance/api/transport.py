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
"""Host literal and port of the far end, as seen from outside. IPv4-mapped addresses do not occur: sockets are one family."""


class Adopted(NamedTuple):
    """What the transport tells the core about a socket it hands over.

    `driver_options` go to the driver as they are (numbers and short strings); of datagram drivers the core reads `datagram`, the
    bytes of payload per datagram, and `adapts` (see AdaptiveDriver). `listener` marks a datagram socket that many
    peers share; `remote` is None there. `local` is the endpoint it is bound to.
    """

    sock: socket.socket
    local: Endpoint
    remote: Endpoint | None
    listener: bool
    driver_options: Mapping[str, int | str]


class TransportServices(Services, Protocol):
    """What the core gives a transport."""

    @property
    def datagram_bytes(self) -> int | None:
        """What the profile's `network.datagram` says: bytes of payload per datagram, or None for what the path takes."""

    def exempt(self, sock: socket.socket) -> None:
        """Keep what `sock` sends out of the overlay. To be called for every socket as soon as it is made: binding or connecting
        chooses the address that it sends from."""

    def adopt(self, adopted: Adopted) -> None:
        """Hand over a socket that was accepted, or that peers share. It is the core's from then on."""

    async def next_turn(self) -> None:
        """Stream kinds: await it before each accept. It returns when the node takes another stranger, and lets others have the
        event loop between a few of them; meanwhile connections wait in the kernel."""

    def welcomes(self, source: SocketAddress) -> bool:
        """Stream kinds: may a stranger from `source`, accepted just now, be handed over? False: close the connection; too many
        came from there."""


class Transport(Protocol):
    """An open transport in the control process."""

    async def listen(self, at: Endpoint) -> Endpoint:
        """Accept peers at `at`. Returns the endpoint really bound. Raises OSError (EADDRINUSE …) when that cannot be had."""

    async def dial(self, to: Endpoint, timeout: float) -> Adopted:
        """Reach `to` (its host is an address literal by now, or it has none). The socket is the core's from then on.

        Raises OSError or TimeoutError."""

    async def connect(self, local: Endpoint, to: Endpoint) -> Adopted | None:
        """Datagram kinds: a socket of its own for a peer that came in through a listener, so that the worker can use a connected
        socket. `local` is the listener's endpoint, with the address the peer spoke to where the listener has many (see
        `ListenerDriver`). None means: go on through the listener. Stream kinds return None."""

    async def close(self) -> None:
        """Stop listening and forget everything. Links already handed over are closed by the core."""


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
    """May records be lost, repeated, reordered and split?"""
    driver: str
    """Import path "package.module:Class" of the worker half, called as `Class(sock, options, buffers)`."""
    authority: Callable[[str], None] | None = None
    """Judges what stands behind `NAME://` in a profile: raises ValueError with a sentence for the admin, quickly and without I/O.
    None: its endpoints are host:port. An endpoint whose `host` is no address and not empty is looked up before it is dialled, and
    keeps its `authority`; one without a host is dialled as it is."""


DropReason = Literal["malformed", "reassembly", "congested", "unreachable", "oversized"]
"""Why a driver dropped something; each is a counter of the node."""


def nobody_asks(_driver: Driver) -> None:
    """What `Buffers.learned` is where nobody wants to know."""


class Buffers(NamedTuple):
    """What all drivers of a worker share.

    `transmit` holds at [0:24] the header and from 24 on the ciphertext of the record to be sent. `receive` (512 KiB) is where
    datagrams and streams are read and `plain` where a record that was not contiguous is opened; both are scratch between two
    calls of `receive`. `drop(reason, count)` counts what had to be dropped. An OffloadingDriver calls `learned(self)` when its
    `offload_problem` has changed.
    """

    transmit: memoryview
    receive: memoryview
    plain: memoryview
    drop: Callable[[DropReason, int], None]
    learned: Callable[[Driver], None] = nobody_asks


RecordSink = Callable[[Octets, Octets, memoryview, "SocketAddress | None"], bool]
"""`sink(header, body, room, source) -> bool`: one whole record. `header` is its 24 bytes, `body` the payload (ciphertext) and
`room` at least as much writable memory to open it into (may be the same memory as `body`). `source` is None on connected
sockets. False: the record was not authentic. Packets of the handshake types are passed one by one, fragments unjoined."""


class Driver(Protocol):
    """The worker's half of one socket. Nothing here may raise on what a peer sends."""

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
        """Read what waits, within a budget of a few records, and pass on each record. False: the link is closed for good."""

    def transmit(self, length: int) -> bool:
        """Send the record in `buffers.transmit[:24 + length]`. False: the link took it but is congested now; the driver keeps
        the rest, and the worker gives no more until `flush` says True."""

    def transmit_to(self, length: int, to: SocketAddress) -> bool:
        """The same to an address through a listener's shared socket."""

    def protect(self, span: int) -> None:
        """Send one parity piece for every `span` pieces of a cut record (16, 8 or, the most there is, 4), or none (0). Streams
        need none."""

    def arrivals(self) -> tuple[int, int]:
        """Datagrams of cut records that came so far, and how many should have. Streams: 0, 0."""

    def flush(self) -> bool:
        """Send what was kept back. True when nothing is left."""

    def send_packet(self, packet: bytes, to: SocketAddress | None) -> None:
        """Send one handshake packet, best effort; `to` is None on connected sockets."""

    def close(self) -> None:
        """Close the socket."""


class ListenerDriver(Driver, Protocol):
    """What the driver of a listener that takes datagrams for several of this host's addresses has besides.

    Its replies leave from the address that the far end spoke to. Where a node has several workers, one of them reads the socket
    and the others only send over it; these are told by `reply_from` what the reader knows.
    """

    def local_of(self, source: SocketAddress) -> str | None:
        """The address literal `source` spoke to last. None when the socket has one address only, or when it is not known."""

    def reply_from(self, to: SocketAddress, local: str) -> None:
        """`to` spoke to the address literal `local` last."""


@runtime_checkable
class AdaptiveDriver(Driver, Protocol):
    """A datagram driver whose datagrams' size may change while it runs. Its transport says so with the driver option
    `adapts: 1` beside `datagram`, the size it begins with and the most the route takes; then the core finds out what the path
    takes. When the kernel learns of a smaller limit, the driver keeps to it and drops as "oversized"."""

    def shape(self, datagram: int) -> None:
        """Cut records into datagrams of this many bytes from now on; `whole_bytes` and `record_bytes` change with that."""

    def transmit_whole(self, length: int) -> None:
        """Send the record in `buffers.transmit[:24 + length]` as one datagram on a connected socket, best effort."""


@runtime_checkable
class OffloadingDriver(Driver, Protocol):
    """A driver that lets the kernel cut a record into datagrams (UDP_SEGMENT), and does it itself when the kernel refuses: some
    devices cannot, and IPsec never can. What was refused is sent again, so that nothing is lost."""

    offload_problem: str
    """Why the kernel does not cut, as an errno's name ("EIO"); "" while it does. Call `Buffers.learned` on each change."""

    def try_offload(self) -> None:
        """The host's routes or devices changed, or a minute has passed: try once more, with a record that needs it."""
