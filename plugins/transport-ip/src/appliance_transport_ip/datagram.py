"""The worker's half of UDP: records cut into datagrams by the kernel's segmentation offload, and made whole again. Hot.

out   the record lies in the shared buffer; `fragments` makes the further headers, and one writev sends it all.
in    UDP_GRO brings a record's datagrams in one recvmsg; when they are all there one join makes the ciphertext contiguous.
      Else fragments wait for their siblings, bounded in number and bytes, the oldest making room.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from appliance_transport_ip.fragments import (
    FLAGS_AT,
    FRAGMENT,
    FRAGMENT_AT,
    HEADER,
    LAST,
    LENGTH_AT,
    PARITY_FLAGS,
    SPANS,
    cutter_for,
    groups_of,
)
from appliance_transport_ip.joining import Joiner
from appliance_transport_ip.spoken_to import ANCILLARY as SPOKEN_TO_ANCILLARY
from appliance_transport_ip.spoken_to import SpokenTo, is_bound_to_all

if TYPE_CHECKING:
    from appliance.api.transport import Buffers, RecordSink, SocketAddress
    from appliance_transport_ip.spoken_to import Message

HANDSHAKE_TYPES: Final = (3, 4)

SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104
IP_MTU, IPV6_MTU = 14, 24
SOL_IPV6: Final = 41
BUDGET: Final = 4
"""Receive calls a turn."""
MIN_DATAGRAM: Final = 548
"""What every IPv4 host takes: 576 less IP and UDP headers (RFC 791)."""
ROOM: Final = 65535
ANCILLARY: Final = socket.CMSG_SPACE(4)

_length = struct.Struct("!H")
_segment = struct.Struct("=i")


class Datagrams:
    """A `Driver` of `appliance.api.transport` over a UDP socket, connected or a listener's.

    Option `datagram`: bytes of UDP payload per datagram.
    """

    fragment_flags = FRAGMENT

    def __init__(self, sock: socket.socket, options: Mapping[str, int | str], buffers: Buffers) -> None:
        self._sock = sock
        self._descriptor = sock.fileno()
        self._tx = buffers.transmit
        self._rx = buffers.receive
        self._plain = buffers.plain
        self._drop = buffers.drop
        self._kept: list[tuple[bytes, SocketAddress | None]] = []
        self._joiner = Joiner(buffers.drop)
        self._span = 0
        self._gso = True
        self._connected = _is_connected(sock)
        self._spoken_to = None if self._connected or not is_bound_to_all(sock) else SpokenTo(sock)
        sock.setsockopt(SOL_UDP, UDP_GRO, 1)
        self._shape(int(options["datagram"]))

    def _shape(self, datagram: int) -> None:
        """Cut records into datagrams of this many bytes from now on."""
        cutter = self._cutter = cutter_for(self._tx, datagram)
        self.whole_bytes = cutter.piece
        self.record_bytes = min(65535, cutter.per_send * cutter.piece)
        try:
            self._sock.setsockopt(SOL_UDP, UDP_SEGMENT, datagram)
        except OSError:
            self._gso = False

    def protect(self, span: int) -> None:
        """Send a parity piece for every `span` pieces from now on; 0: none."""
        self._span = span
        self.fragment_flags = FRAGMENT | next((flags for flags, value in SPANS.items() if value == span), 0)

    def arrivals(self) -> tuple[int, int]:
        """Datagrams of cut records: how many came so far, and of how many."""
        return self._joiner.seen, self._joiner.expected

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._descriptor

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    # ---- out ----

    def transmit(self, length: int) -> bool:
        """Send the record in the shared buffer on a connected socket."""
        return self._send(length, None)

    def transmit_to(self, length: int, to: SocketAddress) -> bool:
        """Send it through a listener's socket."""
        return self._send(length, to)

    def _send(self, length: int, to: SocketAddress | None) -> bool:
        if length <= self.whole_bytes:
            return self._write([self._tx[: HEADER + length]], to)
        span = self._span
        vector = self._cutter.cut_with_parity(length, span) if span else self._cutter.cut(length)
        step = 2 * (self._cutter.per_send if self._gso else 1)
        if len(vector) <= step:
            return self._write(vector, to)
        clear = self._write(vector[: step - 1], to)
        for i in range(step - 1, len(vector), step):
            clear = self._write(vector[i : i + step], to) and clear
        return clear

    def _write(self, vector: list[memoryview], to: SocketAddress | None) -> bool:
        if self._kept:
            return self._keep(vector, to)
        try:
            if to is None:
                os.writev(self._descriptor, vector)
            else:
                self._sock.sendmsg(vector, self._beside(to), 0, to)
        except BlockingIOError:
            return self._keep(vector, to)
        except OSError as error:
            return self._refused(error, vector, to)
        return True

    def _keep(self, vector: list[memoryview], to: SocketAddress | None) -> bool:
        """The socket's buffer is full: hold what it did not take. The worker sends no more until `flush`."""
        self._kept.append((b"".join(vector), to))
        return False

    def _refused(self, error: OSError, vector: list[memoryview], to: SocketAddress | None) -> bool:
        if error.errno == errno.ECONNREFUSED:  # news of an earlier datagram; this one was not tried
            try:
                self._sock.sendmsg(vector, self._beside(to), 0, *(() if to is None else (to,)))
            except OSError:
                self._drop("unreachable", 1)
        elif error.errno != errno.EMSGSIZE and to is not None and self._spoken_to is not None and self._spoken_to.forget(to):
            self._drop("unreachable", 1)
        elif error.errno in (errno.EMSGSIZE, errno.EINVAL):
            self._shrink()
            self._drop("oversized", 1)
        else:
            self._drop("unreachable", 1)
        return True

    def _shrink(self) -> None:
        """The path takes less than thought: ask the kernel how much, or do without the offload."""
        try:
            if self._sock.family == socket.AF_INET6:
                datagram = self._sock.getsockopt(SOL_IPV6, IPV6_MTU) - 48
            else:
                datagram = self._sock.getsockopt(socket.IPPROTO_IP, IP_MTU) - 28
        except OSError:
            datagram = self._cutter.datagram
        if datagram < self._cutter.datagram:
            self._shape(max(datagram, MIN_DATAGRAM))
        elif self._gso:
            self._gso = False
            self._sock.setsockopt(SOL_UDP, UDP_SEGMENT, 0)

    def flush(self) -> bool:
        """Send what was kept."""
        while self._kept:
            data, to = self._kept[0]
            try:
                if to is None:
                    self._sock.send(data)
                else:
                    self._sock.sendmsg((data,), self._beside(to), 0, to)
            except BlockingIOError:
                return False
            except OSError:
                self._drop("unreachable", 1)
            del self._kept[0]
        return True

    def send_packet(self, packet: bytes, to: SocketAddress | None) -> None:
        """Send one handshake packet, best effort."""
        try:
            if to is None:
                self._sock.send(packet)
            else:
                self._sock.sendmsg((packet,), self._beside(to), 0, to)
        except OSError:
            if to is not None and self._spoken_to is not None:
                self._spoken_to.forget(to)
            self._drop("unreachable", 1)

    def _beside(self, to: SocketAddress | None) -> list[Message]:
        return [] if to is None or self._spoken_to is None else self._spoken_to.reply_to(to)

    def local_of(self, source: SocketAddress) -> str | None:
        """The address of this host that `source` spoke to, where the socket has more than one."""
        return None if self._spoken_to is None else self._spoken_to.of(source)

    # ---- in ----

    def receive(self, sink: RecordSink) -> bool:
        """Read a few batches of datagrams and pass on what is whole."""
        if self._spoken_to is not None:
            return self._receive_at_all(sink, self._spoken_to)
        rx, receive, connected = self._rx, self._sock.recvmsg_into, self._connected
        room = (rx[:ROOM],)
        for _ in range(BUDGET):
            try:
                size, ancillary, _, source = receive(room, ANCILLARY)
            except BlockingIOError:
                break
            except OSError:  # ICMP's news about an earlier send
                continue
            address: SocketAddress | None = None if connected else source[:2]
            segment = _segment.unpack_from(ancillary[0][2])[0] if ancillary else size
            if size <= segment:
                self._single(0, size, address, sink)
            elif not self._batch(size, segment, address, sink):
                for at in range(0, size, segment):
                    self._single(at, min(at + segment, size), address, sink)
        return True

    def _receive_at_all(self, sink: RecordSink, spoken_to: SpokenTo) -> bool:
        """The same on a listener with many addresses: beginnings only, since its peers get sockets of their own."""
        for _ in range(BUDGET):
            try:
                size, ancillary, _, source = self._sock.recvmsg_into((self._rx[:ROOM],), ANCILLARY + SPOKEN_TO_ANCILLARY)
            except BlockingIOError:
                break
            except OSError:  # ICMP's news about an earlier send
                continue
            address: SocketAddress = source[:2]
            spoken_to.heard(address, ancillary)
            segment = next((_segment.unpack_from(data)[0] for level, _, data in ancillary if level == SOL_UDP), size)
            if size <= segment:
                self._single(0, size, address, sink)
            elif not self._batch(size, segment, address, sink):
                for at in range(0, size, segment):
                    self._single(at, min(at + segment, size), address, sink)
        return True

    def _batch(self, size: int, segment: int, source: SocketAddress | None, sink: RecordSink) -> bool:
        """The usual case: one record, all its fragments, in order. False: it is not that, look at each datagram."""
        rx = self._rx
        if rx[FLAGS_AT] & PARITY_FLAGS:
            return self._batch_with_parity(size, segment, source, sink)
        count = -(-size // segment)
        last = (count - 1) * segment
        if (
            not rx[FLAGS_AT] & FRAGMENT
            or rx[FRAGMENT_AT]
            or size - last < HEADER
            or not rx[last + FLAGS_AT] & LAST
            or rx[last + FRAGMENT_AT] != count - 1
            or rx[8:FRAGMENT_AT] != rx[last + 8 : last + FRAGMENT_AT]
            or _length.unpack_from(rx, LENGTH_AT)[0] != size - HEADER * count
            or rx[2] in HANDSHAKE_TYPES
        ):
            return False
        pieces = [rx[at + HEADER : at + segment] for at in range(0, last, segment)]
        pieces.append(rx[last + HEADER : size])
        self._joiner.expected += count
        self._joiner.seen += count
        return sink(rx[:HEADER], b"".join(pieces), self._plain, source)

    def _batch_with_parity(self, size: int, segment: int, source: SocketAddress | None, sink: RecordSink) -> bool:
        """The same for a record with parity: all its data pieces, and whatever else of it."""
        rx = self._rx
        length = _length.unpack_from(rx, LENGTH_AT)[0]
        count = -(-length // (segment - HEADER)) if segment > HEADER else 0
        last = (count - 1) * segment
        span = SPANS.get(rx[FLAGS_AT] & PARITY_FLAGS)
        if (
            not count
            or span is None
            or not rx[FLAGS_AT] & FRAGMENT
            or rx[FRAGMENT_AT]
            or size % segment
            or last + segment > size
            or not rx[last + FLAGS_AT] & LAST
            or rx[last + FRAGMENT_AT] != count - 1
            or rx[8:FRAGMENT_AT] != rx[size - segment + 8 : size - segment + FRAGMENT_AT]
            or rx[2] in HANDSHAKE_TYPES
        ):
            return False
        body = b"".join([rx[at + HEADER : at + segment] for at in range(0, last + segment, segment)])
        header = bytes(rx[:HEADER])
        if not sink(header, memoryview(body)[:length], self._plain, source):
            return False
        self._joiner.finish(self._joiner.key_of(source, header))
        self._joiner.expected += count + groups_of(count, span)
        self._joiner.seen += size // segment
        return True

    def _single(self, start: int, end: int, source: SocketAddress | None, sink: RecordSink) -> None:
        rx = self._rx
        body = end - start - HEADER
        if body < 0:
            self._drop("malformed", 1)
        elif rx[start + 2] in HANDSHAKE_TYPES:
            sink(rx[start : start + HEADER], rx[start + HEADER : end], self._plain, source)
        elif rx[start + FLAGS_AT] & FRAGMENT:
            joined = self._joiner.add(source, bytes(rx[start : start + HEADER]), rx[start + HEADER : end])
            if joined is not None:
                sink(joined[0], joined[1], self._plain, source)
        elif _length.unpack_from(rx, start + LENGTH_AT)[0] != body:
            self._drop("malformed", 1)
        else:
            view = rx[start + HEADER : end]
            sink(rx[start : start + HEADER], view, view, source)


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
