"""The worker's half: records cut into LLP datagrams as for UDP, and handed to the carrier many at a time. Hot.

What a UDP socket with segmentation offload is for `udp`, one end of a SEQPACKET pair is here (`trains`): the process at its other
end puts each datagram into a DATAGRAM frame. QUIC holds back what the path cannot take; then the pair fills up, and the worker
waits.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from appliance.api.datagrams.batches import Batches
from appliance.api.datagrams.fragments import FRAGMENT, HEADER, SPANS, cutter_for
from appliance.api.zones import numbered
from appliance_transport_quic.trains import SHORTEST, address, begins_as_one, u16, with_address

if TYPE_CHECKING:
    from appliance.api.transport import Buffers, RecordSink, SocketAddress
    from appliance.api.values import Octets

ROOM: Final = 128 * 1024
"""Bytes to read a message into: more than the longest has."""
BUDGET: Final = 4
"""Messages in one turn."""
MOST_KEPT: Final = 256
"""Messages that are kept while the pair is full, before what comes is dropped."""
MOST_LOCALS: Final = 4096
"""Far ends of a listener whose local address is remembered."""


class Trains:
    """A `Driver` and a `ListenerDriver` of `appliance.api.transport`. Option `datagram`: bytes of an LLP datagram."""

    fragment_flags = FRAGMENT

    def __init__(self, sock: socket.socket, options: Mapping[str, int | str], buffers: Buffers) -> None:
        self._sock = sock
        self._rx = buffers.receive
        self._drop = buffers.drop
        self._tx = buffers.transmit
        self._batches = Batches(buffers)
        self._cutter = cutter_for(buffers.transmit, int(options["datagram"]))
        self._listener = bool(options["listener"])
        self._size = u16.pack(self._cutter.datagram)
        self._span = 0
        self._kept: list[bytes] = []
        self._locals: dict[SocketAddress, str] = {}
        self.whole_bytes = self._cutter.piece
        self.record_bytes = min(65535, self._cutter.body_a_send)

    def fileno(self) -> int:
        """The descriptor of our end of the pair."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close our end of the pair."""
        self._sock.close()

    # ---- out ----

    def transmit(self, length: int) -> bool:
        """Hand over the record in the shared buffer."""
        return self._send(length, ())

    def transmit_to(self, length: int, to: SocketAddress) -> bool:
        """The same for one of a listener's far ends."""
        return self._send(length, (with_address(numbered(to)),))

    def send_packet(self, packet: bytes, to: SocketAddress | None) -> None:
        """Hand over one handshake packet."""
        self._write([packet] if to is None else [with_address(numbered(to)), packet])

    def _send(self, length: int, before: tuple[bytes, ...]) -> bool:
        if length <= self.whole_bytes:
            return self._write([*before, self._tx[: HEADER + length]])
        cutter, span = self._cutter, self._span
        vector = cutter.cut_with_parity(length, span) if span else cutter.cut(length)
        each, clear = 2 * cutter.per_send, True
        for at in range(-1, len(vector), each):  # header 0 and piece 0 are one part, all others are two
            clear = self._write([*before, self._size, *vector[max(at, 0) : at + each]])
        return clear

    def _write(self, parts: Sequence[Octets]) -> bool:
        if self._kept:
            return self._keep(parts)
        try:
            self._sock.sendmsg(parts)
        except BlockingIOError:
            return self._keep(parts)
        except OSError:  # the carrier is gone: the next read says so
            self._drop("unreachable", 1)
        return True

    def _keep(self, parts: Sequence[Octets]) -> bool:
        if len(self._kept) < MOST_KEPT:
            self._kept.append(b"".join(parts))
        else:
            self._drop("congested", 1)
        return False

    def flush(self) -> bool:
        """Hand over what was kept."""
        while self._kept:
            try:
                self._sock.send(self._kept[0])
            except BlockingIOError:
                return False
            except OSError:
                self._kept.clear()
                return True
            del self._kept[0]
        return True

    def protect(self, span: int) -> None:
        """Send a parity piece for every `span` pieces from now on. 0: none."""
        self._span = span
        self.fragment_flags = FRAGMENT | next((flags for flags, value in SPANS.items() if value == span), 0)

    def arrivals(self) -> tuple[int, int]:
        """Datagrams of cut records: how many came so far, and how many should have come."""
        return self._batches.joiner.seen, self._batches.joiner.expected

    # ---- in ----

    def receive(self, sink: RecordSink) -> bool:
        """Take a few messages. False: the carrier has closed its end."""
        for _ in range(BUDGET):
            try:
                size = self._sock.recv_into(self._rx[:ROOM])
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not size:
                return False
            self._take(self._rx[:size], sink)
        return True

    def _take(self, message: memoryview, sink: RecordSink) -> None:
        source = None
        if self._listener:
            try:
                source, at = address(message)
                (local, _), more = address(message[at:])
            except ValueError:
                self._drop("malformed", 1)
                return
            if local:
                self._remember(source, local)
            message = message[at + more :]
        if begins_as_one(message):
            self._batches.take(message, len(message), source, sink)
        elif len(message) > 2 and (size := u16.unpack_from(message)[0]) >= SHORTEST:
            self._batches.take(message[2:], size, source, sink)
        else:
            self._drop("malformed", 1)

    # ---- a listener's addresses ----

    def local_of(self, source: SocketAddress) -> str | None:
        """The address of this host that `source` spoke to; None if that is not known."""
        return self._locals.get(source)

    def reply_from(self, to: SocketAddress, local: str) -> None:
        """Nothing to do: the carrier answers from the address that was spoken to."""
        del to, local

    def _remember(self, source: SocketAddress, local: str) -> None:
        if self._locals.get(source) != local:
            self._locals.pop(source, None)
            while len(self._locals) >= MOST_LOCALS:
                del self._locals[next(iter(self._locals))]
            self._locals[source] = local
