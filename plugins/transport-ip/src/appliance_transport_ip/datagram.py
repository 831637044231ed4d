"""The worker's half of UDP: records cut into datagrams by the kernel's segmentation offload, and made whole again. Hot.

out   the record lies in the shared buffer; `fragments` makes the further headers, and one writev sends it all.
in    UDP_GRO brings a record's datagrams in one recvmsg, on connected sockets put in place by the kernel (`scattering`).
      Otherwise fragments wait for the others of their record. They are bounded in number and bytes; the oldest are given up.

The kernel may refuse to cut: with EIO if the way out computes no checksums (before 6.11) or goes through IPsec, with EINVAL on a
socket without checksums, with EPERM if a filter of this host sees a record that is longer than it allows. Kernels differ in the
errno. So any errno that does not tell about the far end is tested: if the same datagrams pass one by one, it was the offload.
They go one by one from then on, until `try_offload`.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from appliance.api.datagrams.batches import Batches
from appliance.api.datagrams.fragments import (
    FRAGMENT,
    HEADER,
    MIN_DATAGRAM,
    SPANS,
    cutter_for,
)
from appliance.api.datagrams.vectors import writev
from appliance.api.zones import numbered, to_kernel
from appliance_transport_ip.scattering import BUDGET, Scattered
from appliance_transport_ip.spoken_to import ANCILLARY as SPOKEN_TO_ANCILLARY
from appliance_transport_ip.spoken_to import SpokenTo, is_bound_to_all

if TYPE_CHECKING:
    from appliance.api.transport import Buffers, RecordSink, SocketAddress
    from appliance.api.values import Octets
    from appliance_transport_ip.spoken_to import Message

SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104
IP_MTU, IPV6_MTU = 14, 24
SOL_IPV6: Final = 41
ROOM: Final = 65535
ANCILLARY: Final = socket.CMSG_SPACE(4)

NETWORKS_WORD: Final = frozenset(
    {
        errno.ECONNREFUSED,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.ENETDOWN,
        errno.EADDRNOTAVAIL,
        errno.ENOBUFS,
    }
)
"""Errnos that say something of the way or the far end, never of the offload."""
TOO_LONG: Final = frozenset({errno.EMSGSIZE, errno.EINVAL})

_segment = struct.Struct("=i")
NO_SEGMENTS: Final = struct.pack("=H", 0)


class Datagrams:
    """A `Driver` of `appliance.api.transport` over a UDP socket: a connected one, or that of a listener.

    Option `datagram`: bytes of UDP payload in a datagram, until `shape` changes that.
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
        self._trial = False
        self.offload_problem = ""
        """Why the kernel does not cut, as an errno's name; "" while it does."""
        self._learned = buffers.learned
        self._wanted = 0
        self._route = int(options["datagram"])
        self._connected = _is_connected(sock)
        self._scattered = Scattered(self._descriptor, self._rx, self._route, self._batches) if self._connected else None
        self._spoken_to = None if self._connected or not is_bound_to_all(sock) else SpokenTo(sock)
        sock.setsockopt(SOL_UDP, UDP_GRO, 1)
        self._shape(self._route)

    def shape(self, datagram: int) -> None:
        """Cut records into datagrams of this many bytes from now on. What was kept back is cut already, and goes out first."""
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
        self._use_offload(wanted=self._offload and (datagram >= self._route or not self._connected))

    def try_offload(self) -> None:
        """Let the kernel cut the next record that needs it, even if it has refused before: the way out may be another one now."""
        self._trial = not self._offload

    def protect(self, span: int) -> None:
        """Send a parity piece for every `span` pieces from now on. 0: none."""
        self._span = span
        self.fragment_flags = FRAGMENT | next((flags for flags, value in SPANS.items() if value == span), 0)

    def arrivals(self) -> tuple[int, int]:
        """Datagrams of cut records: how many came so far, and how many should have come."""
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
        """Send it through the socket of a listener."""
        return self._send(length, to)

    def transmit_whole(self, length: int) -> None:
        """Send the record in the shared buffer as one datagram, however long it is. Best effort: it is to show whether it
        arrives."""
        try:
            self._put_whole(self._tx[: HEADER + length], None)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                self._is_oversized()

    def _put_whole(self, data: bytes | memoryview, to: SocketAddress | None) -> None:
        """Send one datagram that is longer than the socket's own segment size. The kernel may refuse even if there is nothing to
        cut."""
        ancillary: list[Message] = [*self._beside(to), (SOL_UDP, UDP_SEGMENT, NO_SEGMENTS)] if self._gso else self._beside(to)
        self._sock.sendmsg([data], ancillary, 0, *(() if to is None else (to_kernel(*to),)))

    def _is_oversized(self) -> None:
        self._shrink()
        self._drop("oversized", 1)

    def _send(self, length: int, to: SocketAddress | None) -> bool:
        if length <= self.whole_bytes:
            return self._write([self._tx[: HEADER + length]], to)
        if self._trial and not self._kept:
            return self._send_on_trial(length, to)
        span = self._span
        vector = self._cutter.cut_with_parity(length, span) if span else self._cutter.cut(length)
        if len(vector) <= 2 * (self._cutter.per_send if self._gso else 1):
            return self._write(vector, to)
        clear, at = True, -1  # header 0 and piece 0 are one part, all others are two
        while at < len(vector):
            end = at + 2 * (self._cutter.per_send if self._gso else 1)  # a refusal may end the offload half-way
            clear = self._write(vector[max(at, 0) : end], to) and clear
            at = end
        return clear

    def _write(self, vector: Sequence[memoryview], to: SocketAddress | None) -> bool:
        if self._kept:
            return self._keep(vector, to)
        try:
            if to is None:
                os.writev(self._descriptor, vector)
            else:
                self._sock.sendmsg(vector, self._beside(to), 0, to_kernel(*to))
        except BlockingIOError:
            return self._keep(vector, to)
        except OSError as error:
            return self._refused(error, vector, to)
        return True

    def _keep(self, vector: Sequence[memoryview], to: SocketAddress | None) -> bool:
        """The socket's buffer is full: keep what it did not take. The worker sends no more until `flush`."""
        self._kept.append((b"".join(vector), to))
        return False

    def _refused(self, error: OSError, vector: Sequence[memoryview], to: SocketAddress | None) -> bool:
        if error.errno == errno.ECONNREFUSED:  # news of an earlier datagram; this one was not tried
            try:
                self._put(vector, to)
            except OSError as next_error:
                error = next_error
            else:
                return True
        if error.errno in TOO_LONG and self._shrink():
            self._drop("oversized", 1)
            return True
        first = len(vector) % 2 or 2  # header 0 and piece 0 are one part, all others are two
        if self._is_offload(error, vector[:first], to):
            clear = True
            for at in range(first, len(vector), 2):
                clear = self._write(vector[at : at + 2], to) and clear
            return clear
        forgotten = error.errno != errno.EMSGSIZE and self._forget(to)
        self._drop("oversized" if error.errno in TOO_LONG and not forgotten else "unreachable", 1)
        return True

    def _forget(self, to: SocketAddress | None) -> bool:
        return to is not None and self._spoken_to is not None and self._spoken_to.forget(to)

    def _put(self, vector: Sequence[Octets], to: SocketAddress | None) -> None:
        self._sock.sendmsg(vector, self._beside(to), 0, *(() if to is None else (to_kernel(*to),)))

    # ---- the offload ----

    def _use_offload(self, *, wanted: bool) -> None:
        """Let the kernel cut what is sent, or no longer let it."""
        try:
            self._sock.setsockopt(SOL_UDP, UDP_SEGMENT, self._cutter.datagram if wanted else 0)
        except OSError as error:
            self._gso = self._offload = False
            self._learn(error)
        else:
            self._gso = wanted

    def _is_offload(self, error: OSError, first: Sequence[Octets], to: SocketAddress | None) -> bool:
        """Did the kernel refuse because of the offload? If so, the `first` datagrams were sent and the offload is off."""
        if not self._gso or error.errno in NETWORKS_WORD:
            return False
        self._use_offload(wanted=False)
        try:
            self._put(first, to)
        except OSError:
            self._use_offload(wanted=True)
            return False
        self._offload = False
        self._learn(error)
        return True

    def _send_on_trial(self, length: int, to: SocketAddress | None) -> bool:
        self._trial = False
        self._offload = True
        self._shape(self._cutter.datagram)
        clear = self._send(length, to)
        if self._gso and not self._kept:
            self._learn(None)
        return clear

    def _learn(self, error: OSError | None) -> None:
        problem = "" if error is None else errno.errorcode.get(error.errno or 0, str(error.errno))
        if problem != self.offload_problem:
            self.offload_problem = problem
            self._learned(self)

    def _shrink(self) -> bool:
        """The path takes less than we thought: ask the kernel how much. False: it does not know."""
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
                self._put((data,), to)
            except BlockingIOError:
                return False
            except OSError as error:
                size = self._cutter.datagram
                if self._is_offload(error, (data[:size],), to):
                    self._kept[:1] = [(data[at : at + size], to) for at in range(size, len(data), size)]
                    continue
                self._drop("unreachable", 1)
            del self._kept[0]
        if self._gso and self.offload_problem:  # what was on trial has gone out
            self._learn(None)
        if self._wanted:
            wanted, self._wanted = self._wanted, 0
            self.shape(wanted)
        return True

    def send_packet(self, packet: bytes, to: SocketAddress | None) -> None:
        """Send one handshake packet, best effort, in one datagram."""
        try:
            self._put_whole(packet, to)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                self._is_oversized()
            else:
                self._forget(to)
                self._drop("unreachable", 1)

    def _beside(self, to: SocketAddress | None) -> list[Message]:
        return [] if to is None or self._spoken_to is None else self._spoken_to.reply_to(to)

    def local_of(self, source: SocketAddress) -> str | None:
        """The address of this host that `source` spoke to, if the socket has more than one."""
        return None if self._spoken_to is None else self._spoken_to.of(source)

    def reply_from(self, to: SocketAddress, local: str) -> None:
        """What goes to `to` leaves from `local`, if the socket has more than one address."""
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
            self._batches.take(self._rx[:size], segment, numbered(source), sink)
        return True

    def _receive_at_all(self, sink: RecordSink, spoken_to: SpokenTo) -> bool:
        """The same on a listener with many addresses. Only first packets come here, since peers get sockets of their own."""
        for _ in range(BUDGET):
            try:
                size, ancillary, _, source = self._sock.recvmsg_into((self._rx[:ROOM],), ANCILLARY + SPOKEN_TO_ANCILLARY)
            except BlockingIOError:
                break
            except OSError:  # ICMP's news about an earlier send
                continue
            address = numbered(source)
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
