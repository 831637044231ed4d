"""The worker's half of a link over a relay: whole records, each one message of a SOCK_SEQPACKET socket. Hot.

What travels are LLP packets as on any link. The other end of the socket is a data channel of the session with the relay, whose
records hold a little less than this link's may have (its own header and tag travel inside). So only the longest records are cut,
in two.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from appliance.wire.envelope import (
    FLAG_FRAGMENT,
    FLAGS_AT,
    FRAGMENT_AT,
    HANDSHAKE_TYPES,
    HEADER_BYTES,
    LENGTH_AT,
    fragment_header,
)

if TYPE_CHECKING:
    from appliance.api.transport import Buffers, RecordSink, SocketAddress
    from appliance.api.values import Octets

BUDGET: Final = 8
"""Messages of one call of `receive`."""
MAX_KEPT: Final = 8
"""Messages that are kept for a relay that takes none: what one turn may send."""
KIND_AT: Final = 2


class Relayed:
    """A `Driver` of `appliance.api.transport`. Option `datagram`: bytes of a message."""

    fragment_flags = FLAG_FRAGMENT

    def __init__(self, sock: socket.socket, options: Mapping[str, int | str], buffers: Buffers) -> None:
        self._sock = sock
        self._descriptor = sock.fileno()
        self._tx = buffers.transmit
        self._rx = buffers.receive
        self._drop = buffers.drop
        self._kept: list[bytes] = []
        self._first = b""
        """The first half of a record that was cut, header included; empty if none waits."""
        self.whole_bytes = self.record_bytes = int(options["datagram"]) - HEADER_BYTES

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._descriptor

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    # ---- out ----

    def transmit(self, length: int) -> bool:
        """Send the record in the shared buffer."""
        end = HEADER_BYTES + length
        if length <= self.whole_bytes:
            return self._write((self._tx[:end],))
        cut = HEADER_BYTES + self.whole_bytes
        self._write((self._tx[:cut],))
        return self._write((fragment_header(bytes(self._tx[:HEADER_BYTES]), 1, last=True), self._tx[cut:end]))

    def transmit_to(self, length: int, to: SocketAddress) -> bool:
        """The same, since there is only one far end."""
        del to
        return self.transmit(length)

    def send_packet(self, packet: bytes, to: SocketAddress | None) -> None:
        """Send one handshake packet."""
        del to
        if not self._kept:
            self._write((packet,))

    def _write(self, parts: Sequence[Octets]) -> bool:
        if self._kept:
            return self._keep(parts)
        try:
            os.writev(self._descriptor, parts)
        except BlockingIOError:
            return self._keep(parts)
        except OSError:  # closed: the next read says so
            self._drop("unreachable", 1)
        return True

    def _keep(self, parts: Sequence[Octets]) -> bool:
        if len(self._kept) < MAX_KEPT:
            self._kept.append(b"".join(parts))
        else:
            self._drop("congested", 1)
        return False

    def flush(self) -> bool:
        """Send what was kept."""
        kept, self._kept = self._kept, []
        clear = True
        for message in kept:
            clear = self._write((message,)) and clear
        return clear

    def protect(self, span: int) -> None:
        """Nothing to do: what is lost here was lost as a whole."""
        del span

    def arrivals(self) -> tuple[int, int]:
        """Nothing to report."""
        return 0, 0

    # ---- in ----

    def receive(self, sink: RecordSink) -> bool:
        """Read a few messages. False: the circuit is over."""
        for _ in range(BUDGET):
            try:
                size = self._sock.recv_into(self._rx)
            except BlockingIOError:
                return True
            except OSError:  # reset: the far end closed with something unread
                return False
            if not size:
                return False
            self._take(self._rx[:size], sink)
        return True

    def _take(self, message: memoryview, sink: RecordSink) -> None:
        header, body = message[:HEADER_BYTES], message[HEADER_BYTES:]
        if len(header) < HEADER_BYTES:
            self._drop("malformed", 1)
        elif header[KIND_AT] in HANDSHAKE_TYPES:
            sink(header, body, body, None)
        elif header[FLAGS_AT] & FLAG_FRAGMENT:
            self._join(message, sink)
        elif _length(header) == len(body):
            sink(header, body, body, None)
        else:
            self._drop("malformed", 1)

    def _join(self, message: memoryview, sink: RecordSink) -> None:
        """A half of a record: the first one waits for the second, which comes next or not at all."""
        first, self._first = self._first, b""
        if not message[FRAGMENT_AT]:
            if first:
                self._drop("reassembly", 1)
            self._first = bytes(message)
            return
        header = message[:HEADER_BYTES]
        whole = memoryview(bytearray(first[HEADER_BYTES:]) + message[HEADER_BYTES:])
        if not first or fragment_header(first[:HEADER_BYTES], 1, last=True) != header or _length(header) != len(whole):
            self._drop("malformed" if first else "reassembly", 1)
            return
        sink(first[:HEADER_BYTES], whole, whole, None)


def _length(header: Octets) -> int:
    return header[LENGTH_AT] << 8 | header[LENGTH_AT + 1]
