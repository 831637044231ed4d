r"""How lines of the log hang together. Each has the hash over the one before and its own text:

    HASH TEXT\n        HASH: 64 hexadecimal digits of SHA-256(label || hash of the line before || TEXT)

The log is a row of segments, a file each. The first line of a segment is its beginning, which says where the last one ended;
all others are entries. Labels keep the two, and whatever else this key's owner hashes, apart.

    {"audit":1,"segment":2,"log":…,"node":…,"first":1001,"after":HASH,"time":…}
    {"n":1001,"time":…,"what":"reload","outcome":"done","who":{…},…}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from appliance.management.audit.entry import MOST_LINE_BYTES, MOST_NUMBER, canonical
from appliance.protocol.digests import sha256

VERSION: Final = 1
HASH_BYTES: Final = 32
HASH_DIGITS: Final = 2 * HASH_BYTES
NOTHING: Final = bytes(HASH_BYTES)
"""What the first segment of a log comes after."""
SEGMENT_LABEL: Final = b"LLP1 audit segment\0"
ENTRY_LABEL: Final = b"LLP1 audit entry\0"
LOG_ID_BYTES: Final = 16


class LineDamaged(ValueError):
    """The bytes are no line of a log."""


class Line(NamedTuple):
    """A line as it was read; whether it fits is not said."""

    hash: bytes
    text: bytes
    said: Mapping[str, Any]


class Beginning(NamedTuple):
    """What the first line of a segment says."""

    segment: int
    """From 1 on."""
    log: str
    """Which log it is: chosen at random when the log began, in hexadecimal."""
    node: str
    """The fingerprint of the node that wrote it."""
    first: int
    """The number of its first entry."""
    after: bytes
    """The hash of the last line of the segment before."""
    time: str

    def text(self) -> bytes:
        """As it is hashed and written."""
        return canonical(self._asdict() | {"after": self.after.hex(), "audit": VERSION})


def next_hash(label: bytes, before: bytes, text: bytes) -> bytes:
    """The hash of the line with that text."""
    return sha256(label + before + text)


def line_of(hash_: bytes, text: bytes) -> bytes:
    """The line, with its end."""
    return hash_.hex().encode() + b" " + text + b"\n"


def read_line(line: bytes) -> Line:
    """Raises LineDamaged. `line` is without its end."""
    if len(line) > MOST_LINE_BYTES or line[HASH_DIGITS : HASH_DIGITS + 1] != b" ":
        raise LineDamaged
    try:
        found, said = bytes.fromhex(line[:HASH_DIGITS].decode()), json.loads(line[HASH_DIGITS + 1 :])
    except (ValueError, RecursionError):
        raise LineDamaged from None
    if len(found) != HASH_BYTES or not isinstance(said, dict):
        raise LineDamaged
    return Line(found, line[HASH_DIGITS + 1 :], said)


def number_of(line: Line) -> int:
    """The number of an entry. Raises LineDamaged."""
    number = line.said.get("n")
    if type(number) is not int or not 0 < number <= MOST_NUMBER:
        raise LineDamaged
    return number


def beginning_of(line: Line) -> Beginning:
    """What the first line of a segment says. Raises LineDamaged."""
    match line.said:
        case {
            "audit": int(version),
            "segment": int(segment),
            "log": str(log),
            "node": str(node),
            "first": int(first),
            "after": str(after),
            "time": str(time),
        } if version == VERSION and 0 < segment <= MOST_NUMBER and 0 < first <= MOST_NUMBER and _is_hex(log, LOG_ID_BYTES):
            if _is_hex(after, HASH_BYTES):
                return Beginning(segment, log, node, first, bytes.fromhex(after), time)
    raise LineDamaged


def _is_hex(text: str, count: int) -> bool:
    """So many bytes, as they are written here?"""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return False
    return len(found) == count and found.hex() == text
