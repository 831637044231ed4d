"""Receiving on a connected socket so that the payloads of a record's datagrams lie one behind the other at once. Hot.

With UDP_GRO a receive call returns a train of datagrams of equal size. The kernel is given one place for each header and one for
each payload, so nothing has to be joined afterwards:

    train    header 0 | piece 0 | header 1 | piece 1 | header 2 | piece 2 …
    memory   header 0 | piece 0 | piece 1 | piece 2 | …          header 1 | header 2 | …

That needs the size of the datagrams before they come: it is what came last. A train of another size is put in order by a copy.
"""

from __future__ import annotations

from ctypes import addressof
from typing import TYPE_CHECKING, Final

from appliance.api.datagrams.batches import Batches, ends, pieces_of
from appliance.api.datagrams.fragments import HEADER, MIN_DATAGRAM
from appliance.api.datagrams.vectors import AGAIN, Ancillary, Message, Vector, last_error, recvmsg

if TYPE_CHECKING:
    from appliance.api.transport import RecordSink

TRAIN: Final = 65535
"""The most bytes that one receive call returns."""
HEADERS_AT: Final = 128 * 1024
"""Where the headers go in the receive buffer: behind the longest train."""
MAX_LAYOUTS: Final = 32
"""Sizes whose layout is kept (about 4 KB each). Most paths have the same size."""
BUDGET: Final = 4
"""Receive calls in one turn."""


class Layout:
    """Where in `buffer` a train of datagrams of `datagram` bytes goes."""

    def __init__(self, buffer: memoryview, datagram: int) -> None:
        self.datagram = datagram
        self.buffer = buffer  # alive, so that no other has its id
        piece, count = datagram - HEADER, -(-TRAIN // datagram)
        self._parts = [buffer[:datagram]]
        for i in range(1, count):
            at = HEADERS_AT + HEADER * i
            self._parts += buffer[at : at + HEADER], buffer[HEADER + piece * i : HEADER + piece * (i + 1)]
        self.vector = Vector(self._parts)

    def in_order(self, size: int) -> memoryview:
        """A copy of the `size` bytes that came, in the order in which they were sent."""
        return memoryview(b"".join(self._parts[: 1 + 2 * (-(-size // self.datagram))]))[:size]


_layouts: dict[tuple[int, int], Layout] = {}


def layout_for(buffer: memoryview, datagram: int) -> Layout:
    """The layout of this buffer and size. All links of a worker share it."""
    key = (id(buffer), datagram)
    layout = _layouts.get(key)
    if layout is None:
        while len(_layouts) >= MAX_LAYOUTS:
            del _layouts[next(iter(_layouts))]
        layout = _layouts[key] = Layout(buffer, datagram)
    return layout


class Scattered:
    """The receiving half of a connected socket. All links share the memory `buffer`."""

    def __init__(self, descriptor: int, buffer: memoryview, datagram: int, batches: Batches) -> None:
        self._descriptor = descriptor
        self._buffer = buffer
        self._batches = batches
        self._ancillary = Ancillary()
        self._message = Message(control=self._ancillary.address)
        self._message_address = addressof(self._message)
        self._use(datagram)

    def _use(self, datagram: int) -> None:
        self._layout = layout_for(self._buffer, datagram)
        self._message.vector, self._message.parts = self._layout.vector.address, self._layout.vector.count

    def receive(self, sink: RecordSink) -> None:
        """Read a few trains and pass on what is whole."""
        message, ancillary, buffer = self._message, self._ancillary.value, self._buffer
        descriptor, address, batches = self._descriptor, self._message_address, self._batches
        for _ in range(BUDGET):
            message.control_bytes = Ancillary.BYTES
            size = recvmsg(descriptor, address, 0)
            if size < 0:
                if last_error() == AGAIN:
                    break
                continue  # ICMP's news about an earlier send
            segment = ancillary[Ancillary.INT_AT] if message.control_bytes else size
            datagram = self._layout.datagram
            if size <= segment and size <= datagram:
                batches.single(buffer[:size], None, sink)
            elif segment != datagram:
                self._other_size(size, segment, sink)
            elif not self._record(size, sink):
                batches.singles(self._layout.in_order(size), segment, None, sink)

    def _record(self, size: int, sink: RecordSink) -> bool:
        buffer, datagram = self._buffer, self._layout.datagram
        count = pieces_of(buffer, size, datagram)
        if not count:
            return False
        came = -(-size // datagram)
        last = HEADERS_AT + HEADER * (count - 1)
        final = HEADERS_AT + HEADER * (came - 1)
        if not ends(buffer, buffer[last : last + HEADER], buffer[final : final + HEADER], count):
            return False
        return self._batches.whole(buffer[:HEADER], buffer[HEADER:HEADERS_AT], count, came, None, sink)

    def _other_size(self, size: int, segment: int, sink: RecordSink) -> None:
        """Take datagrams of another size than last time. If they are of a cut record, expect that size next time."""
        if self._batches.take(self._layout.in_order(size), segment, None, sink) and segment >= MIN_DATAGRAM:
            self._use(segment)
