"""The worker's half of UDP: records cut into datagrams by the kernel's segmentation offload, and made whole again. Hot.

out   the record lies in the shared buffer; `fragments` makes the further headers, and one writev sends it all.
in    UDP_GRO brings a record's datagrams in one recvmsg, on connected sockets put in place by the kernel (`scattering`).
      Where that is not so, fragments wait for their siblings, bounded in number and bytes, the oldest making room.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from appliance_transport_ip.batches import Batches
from appliance_transport_ip.fragments import (
    FRAGMENT,
    HEADER,
    MIN_DATAGRAM,
    SPANS,
    cutter_for,
)
from appliance_transport_ip.scattering import BUDGET, Scattered
from appliance_transport_ip.spoken_to import ANCILLARY as SPOKEN_TO_ANCILLARY
from appliance_transport_ip.spoken_to import SpokenTo, is_bound_to_all
from appliance_transport_ip.vectors import writev

if TYPE_CHECKING:
    from appliance.api.transport import Buffers, RecordSink, SocketAddress
    from appliance_transport_ip.spoken_to import Message

SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104
IP_MTU, IPV6_MTU = 14, 24
SOL_IPV6: Final = 41
ROOM: Final = 65535
ANCILLARY: Final = socket.CMSG_SPACE(4)

_segment = struct.Struct("=i")
NO_SEGMENTS: Final = struct.pack("=H", 0)


class Datagrams:
    """A `Driver` of `appliance.api.transport` over a UDP socket, connected or a listener's.

    Option `datagram`: bytes of UDP payload per datagram, until `shape` says otherwise.
    """

    fragment_flags = FRAGMENT

    def __init__(self, sock: socket.socket, options: Mapping[str, int | str], buffers: Buffers) -> None:
        self._sock = sock
        self._descriptor = sock.fileno()
        self._tx = buffers.transmit
        self._rx = buffers.receive
        self._drop = buffers.drop
        self._kept: list[tuple[bytes, SocketAddress | None]] = []
        self._batches = Batches(buffers)
        self._span = 0
        self._gso = True
        self._offload = True
        self._wanted = 0
        self._route = int(options["datagram"])
        self._connected = _is_connected(sock)
        self._scattered = Scattered(self._descriptor, self._rx, self._route, self._batches) if self._connected else None
        self._spoken_to = None if self._connected or not is_bound_to_all(sock) else SpokenTo(sock)
        sock.setsockopt(SOL_UDP, UDP_GRO, 1)
        self._shape(self._route)

    def shape(self, datagram: int) -> None:
        """Cut records into datagrams of this many bytes from now on, or when what was kept back is out: that is cut already."""
        if self._kept:
            self._wanted = datagram
        elif datagram != self._cutter.datagram:
            self._shape(datagram)

    def _shape(self, datagram: int) -> None:
        """Cut records into datagrams of this many bytes from now on."""
        cutter = self._cutter = cutter_for(self._tx, datagram)
        self.whole_bytes = cutter.piece
        self.record_bytes = min(65535, cutter.per_send * cutter.piece)
        # Less than the route takes means that something drops by length; if it is on this host it sees what is not segmented yet.
        self._gso = self._offload and (datagram >= self._route or not self._connected)
        try:
            self._sock.setsockopt(SOL_UDP, UDP_SEGMENT, datagram if self._gso else 0)
        except OSError:
            self._gso = self._offload = False

    def protect(self, span: int) -> None:
        """Send a parity piece for every `span` pieces from now on; 0: none."""
        self._span = span
        self.fragment_flags = FRAGMENT | next((flags for flags, value in SPANS.items() if value == span), 0)

    def arrivals(self) -> tuple[int, int]:
        """Datagrams of cut records: how many came so far, and of how many."""
        return self._batches.joiner.seen, self._batches.joiner.expected

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._descriptor

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    # ---- out ----

    def transmit(self, length: int) -> bool:
        """Send the record in the shared buffer on a connected socket."""
        cutter = self._cutter
        if cutter.piece < length <= cutter.body_a_send and self._gso and not self._span and not self._kept:
            vector, parts = cutter.prepare(length)
            if writev(self._descriptor, vector.address, parts) >= 0:
                return True
            return self._write(cutter.cut(length), None)  # once more, to hear why
        return self._send(length, None)

    def transmit_to(self, length: int, to: SocketAddress) -> bool:
        """Send it through a listener's socket."""
        return self._send(length, to)

    def transmit_whole(self, length: int) -> None:
        """Send the record in the shared buffer as one datagram, however long, best effort: to see whether it arrives."""
        self._whole(self._tx[: HEADER + length], None)

    def _whole(self, data: bytes | memoryview, to: SocketAddress | None) -> None:
        """Past the socket's own segment size."""
        ancillary: list[Message] = [*self._beside(to), (SOL_UDP, UDP_SEGMENT, NO_SEGMENTS)] if self._gso else self._beside(to)
        try:
            self._sock.sendmsg([data], ancillary, 0, *(() if to is None else (to,)))
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                self._shrink()
                self._drop("oversized", 1)

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
            if not self._shrink() and self._gso:
                self._gso = self._offload = False  # then it is the offload
                self._sock.setsockopt(SOL_UDP, UDP_SEGMENT, 0)
            self._drop("oversized", 1)
        else:
            self._drop("unreachable", 1)
        return True

    def _shrink(self) -> bool:
        """The path takes less than thought: ask the kernel how much. False: it knows of no such thing."""
        try:
            if self._sock.family == socket.AF_INET6:
                datagram = self._sock.getsockopt(SOL_IPV6, IPV6_MTU) - 48
            else:
                datagram = self._sock.getsockopt(socket.IPPROTO_IP, IP_MTU) - 28
        except OSError:
            datagram = self._cutter.datagram
        if datagram < self._cutter.datagram:
            self._route = max(datagram, MIN_DATAGRAM)
            self.shape(self._route)
            return True
        return False

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
        if self._wanted:
            wanted, self._wanted = self._wanted, 0
            self.shape(wanted)
        return True

    def send_packet(self, packet: bytes, to: SocketAddress | None) -> None:
        """Send one handshake packet, best effort, in one datagram."""
        if len(packet) > self._cutter.datagram:
            self._whole(packet, to)
            return
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

    def reply_from(self, to: SocketAddress, local: str) -> None:
        """What goes to `to` leaves from `local`, where the socket has more than one address."""
        if self._spoken_to is not None:
            self._spoken_to.told(to, local)

    # ---- in ----

    def receive(self, sink: RecordSink) -> bool:
        """Read a few batches of datagrams and pass on what is whole."""
        if self._spoken_to is not None:
            return self._receive_at_all(sink, self._spoken_to)
        if self._scattered is not None:
            self._scattered.receive(sink)
            return True
        for _ in range(BUDGET):
            try:
                size, ancillary, _, source = self._sock.recvmsg_into((self._rx[:ROOM],), ANCILLARY)
            except BlockingIOError:
                break
            except OSError:  # ICMP's news about an earlier send
                continue
            segment = _segment.unpack_from(ancillary[0][2])[0] if ancillary else size
            self._batches.take(self._rx[:size], segment, source[:2], sink)
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
            self._batches.take(self._rx[:size], segment, address, sink)
        return True


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
