"""What a driver may know of the records that it moves: the header's size, the places it reads, and the flags of cut records.

All else in a header is the core's, and sealed with the record. docs/protocol.md has the whole layout. Network order.
"""

from __future__ import annotations

from typing import Final, NamedTuple

PROTO: Final = 0x4C31
"""The first two bytes of each record, fragment and handshake packet: "L1"."""
HEADER_BYTES: Final = 24
MAX_BODY_BYTES: Final = 65535
"""Of a record, its tag included."""

TYPE_AT: Final = 2
"""Byte that says what it is, one of those below."""
FLAGS_AT: Final = 3
FRAGMENT_AT: Final = 15
"""Byte with the number of a fragment, from 0 on; 0 in what is not cut."""
LENGTH_AT: Final = 20
"""Two bytes: the length of the whole body, all fragments together. So a stream knows where the next record begins."""

DATA: Final = 1
HANDSHAKE_INIT: Final = 3
HANDSHAKE_RESPONSE: Final = 4
HANDSHAKES: Final = frozenset({HANDSHAKE_INIT, HANDSHAKE_RESPONSE})
"""What a driver passes on one by one, without joining fragments; all others are records."""

FRAGMENT: Final = 0x04
"""The body is cut into fragments, of which this is one."""
LAST: Final = 0x08
"""This is the last fragment. Never without FRAGMENT."""


class Record(NamedTuple):
    """A record as a driver sees it."""

    header: bytes
    """Its HEADER_BYTES."""
    body: bytes
    """Ciphertext and tag."""
