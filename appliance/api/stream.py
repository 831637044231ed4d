"""The worker's half of any byte stream: records one behind the other, each with its length in the header. Hot.

For a transport kind whose links are connected stream sockets: `driver="appliance.api.stream:Stream"`. Their other end may be the
peer's, as with TCP, or another process's on this host that carries them further.

The memory for reading is shared by all links, so an idle connection needs no buffer of its own. What is left of an unfinished
record is kept aside until the next turn.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # the worker imports this, and would import all of that
    from appliance.api.transport import Buffers, RecordSink, SocketAddress

HEADER: Final = 24
PROTO: Final = 0x4C31
MAX_KEPT: Final = 4 << 20
"""Bytes that are kept for a peer that does not read. If it takes longer, its silence ends the link, and not we."""

_frame = struct.Struct("!H18xH")


class Stream:
    """A `Driver` of `appliance.api.transport` over a connected stream socket, with no options."""

    whole_bytes = 65535
    record_bytes = 65535
    fragment_flags = 0

    def __init__(self, sock: socket.socket, options: Mapping[str, int | str], buffers: Buffers) -> None:
        del options
        self._sock = sock
        self._tx = buffers.transmit
        self._rx = buffers.receive
        self._drop = buffers.drop
        self._kept = bytearray()
        self._rest = b""

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def transmit(self, length: int) -> bool:
        """Send the record in the shared buffer. What the socket does not take is kept until `flush`."""
        return self._write(self._tx[: HEADER + length])

    def transmit_to(self, length: int, to: SocketAddress) -> bool:
        """The same, since a stream has only one far end."""
        del to
        return self.transmit(length)

    def send_packet(self, packet: bytes, to: SocketAddress | None) -> None:
        """Send one handshake packet."""
        del to
        self._write(memoryview(packet))

    def _write(self, data: memoryview) -> bool:
        if self._kept:
            return self._keep(data)
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:  # reset: the next read says so
            self._drop("unreachable", 1)
            return True
        return True if sent == len(data) else self._keep(data[sent:])

    def _keep(self, data: memoryview) -> bool:
        """Keep these bytes, or none of them: part of a record would break the stream."""
        if len(self._kept) + len(data) > MAX_KEPT:
            self._drop("congested", 1)
        else:
            self._kept += data
        return False

    def protect(self, span: int) -> None:
        """Nothing to do: a stream loses nothing."""
        del span

    def arrivals(self) -> tuple[int, int]:
        """Nothing to report: a stream cuts nothing."""
        return 0, 0

    def flush(self) -> bool:
        """Send what was kept."""
        try:
            while self._kept:
                del self._kept[: self._sock.send(self._kept)]
        except BlockingIOError:
            return False
        except OSError:
            self._kept.clear()
        return True

    def receive(self, sink: RecordSink) -> bool:
        """Read once, and pass on the whole records. False: it is closed, or no longer a stream of records."""
        rx, have = self._rx, len(self._rest)
        rx[:have] = self._rest
        try:
            size = self._sock.recv_into(rx[have:])
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not size:
            return False
        end, at = have + size, 0
        while end - at >= HEADER:
            proto, length = _frame.unpack_from(rx, at)
            if proto != PROTO:
                self._drop("malformed", 1)
                return False
            body = at + HEADER
            following = body + length
            if following > end:
                break
            view = rx[body:following]
            sink(rx[at:body], view, view, None)
            at = following
        self._rest = bytes(rx[at:end])
        return True
