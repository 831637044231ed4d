"""What one receive call brought, taken apart into records: usually one cut record, but it may be anything. Hot."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from appliance.api.datagrams.fragments import (
    FLAGS_AT,
    FRAGMENT,
    FRAGMENT_AT,
    HEADER,
    LAST,
    LENGTH_AT,
    PARITY_FLAGS,
    SPANS,
    lines_of,
)
from appliance.api.datagrams.joining import Joiner

if TYPE_CHECKING:
    from appliance.api.transport import Buffers, RecordSink, SocketAddress

HANDSHAKE_TYPES: Final = (3, 4)

_length = struct.Struct("!H").unpack_from


class Batches:
    """Passes on the records of one socket. Fragments wait in `joiner` for the others of their record."""

    def __init__(self, buffers: Buffers) -> None:
        self.joiner = Joiner(buffers.drop)
        self._plain = buffers.plain
        self._drop = buffers.drop

    def take(self, data: memoryview, segment: int, source: SocketAddress | None, sink: RecordSink) -> bool:
        """Take datagrams of `segment` bytes, one behind the other; the last may be shorter. True: it was one cut record."""
        size = len(data)
        count = pieces_of(data, size, segment) if size > segment else 0
        if count:
            last = (count - 1) * segment
            final = (size - 1) // segment * segment
            if ends(data, data[last : last + HEADER], data[final : final + HEADER], count):
                body = memoryview(b"".join([data[at + HEADER : at + segment] for at in range(0, last + segment, segment)]))
                if self.whole(data[:HEADER], body, count, final // segment + 1, source, sink):
                    return True
        self.singles(data, segment, source, sink)
        return False

    def singles(self, data: memoryview, segment: int, source: SocketAddress | None, sink: RecordSink) -> None:
        """The same, but each datagram by itself."""
        for at in range(0, len(data) or 1, segment or 1):
            self.single(data[at : at + segment], source, sink)

    def whole(
        self, header: memoryview, body: memoryview, count: int, came: int, source: SocketAddress | None, sink: RecordSink
    ) -> bool:
        """Take a record in `count` pieces, which lie one behind the other in `body`; `came` datagrams brought it. False: it is
        not that."""
        length = _length(header, LENGTH_AT)[0]
        joiner = self.joiner
        span = SPANS.get(header[FLAGS_AT] & PARITY_FLAGS)
        if not sink(header, body[:length], self._plain, source):
            return False
        if span is None:
            joiner.expected += count
        else:
            joiner.finish(joiner.key_of(source, bytes(header)))
            joiner.expected += count + len(lines_of(count, span))
        joiner.seen += came
        return True

    def single(self, data: memoryview, source: SocketAddress | None, sink: RecordSink) -> None:
        """Take one datagram: a whole packet, or a fragment."""
        body = len(data) - HEADER
        if body < 0:
            self._drop("malformed", 1)
        elif data[2] in HANDSHAKE_TYPES:
            sink(data[:HEADER], data[HEADER:], self._plain, source)
        elif data[FLAGS_AT] & FRAGMENT:
            joined = self.joiner.add(source, bytes(data[:HEADER]), data[HEADER:])
            if joined is not None:
                sink(joined[0], joined[1], self._plain, source)
        elif _length(data, LENGTH_AT)[0] != body:
            self._drop("malformed", 1)
        else:
            sink(data[:HEADER], data[HEADER:], self._plain, source)


def pieces_of(header: memoryview, size: int, segment: int) -> int:
    """Pieces of the record with this first header, if all `size` bytes of datagrams belong to it. 0: they cannot."""
    if segment <= HEADER:
        return 0
    flags = header[FLAGS_AT]
    if not flags & FRAGMENT or header[FRAGMENT_AT] or header[2] in HANDSHAKE_TYPES:
        return 0
    length = _length(header, LENGTH_AT)[0]
    if flags & PARITY_FLAGS:
        count = -(-length // (segment - HEADER))
        return count if count > 1 and not size % segment and count * segment <= size else 0
    count = -(-size // segment)
    return count if length == size - HEADER * count and size - (count - 1) * segment >= HEADER else 0


def ends(header: memoryview, last: memoryview, final: memoryview, count: int) -> bool:
    """Do the headers of datagram `count` and of the final one agree with the first?"""
    return (
        last[FLAGS_AT] & LAST != 0
        and last[FRAGMENT_AT] == count - 1
        and header[8:FRAGMENT_AT] == last[8:FRAGMENT_AT] == final[8:FRAGMENT_AT]
    )
