"""How cells are kept: one page has all series' cells of one interval, under a key that sorts by time.

    key     RESOLUTION/SLOT, ten digits
    page    1 (version), then by zlib, for each series:
            length of the metric's name u8 | name | length of the label u8 | label
            kind u8 | weight u32 | total f64 | least f32 | most f32, little-endian

A page is written once, when its interval is over: a block for each series, written anew each minute, would write sixty times as
much. It names its series itself, so none needs another one to be read.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Container, Iterator
from typing import Final

from appliance.management.analytics.series import MINUTE, QUARTER, Book, Cell, Key, Kind, Resolution

KEPT: Final = (MINUTE, QUARTER)
"""The finest cells are not: after a restart the last hour is told by the minute."""
VERSION: Final = 1
MOST_BYTES: Final = 1 << 20
"""Of a page, unpacked. The most series with the longest names are 100 KB."""
MOST_NAME: Final = 255
"""Bytes of a name, as UTF-8."""
_CELL: Final = struct.Struct("<BIdff")
_KINDS: Final = (Kind.LEVEL, Kind.RATE)


class PageInvalid(ValueError):
    """These bytes are not a page."""


def key_of(resolution: Resolution, slot: int) -> str:
    """The key of a page."""
    return f"{resolution.name}/{slot:010d}"


def slot_of(key: str) -> int:
    """The slot in a key. Raises PageInvalid."""
    digits = key.partition("/")[2]
    if not (digits.isascii() and digits.isdecimal()):
        raise PageInvalid("not the key of a page")
    return int(digits)


def expires(resolution: Resolution, slot: int) -> int:
    """When a page is older than its ring is long, in Unix seconds."""
    return (slot + resolution.slots) * resolution.step


def encode(book: Book, resolution: Resolution, slot: int) -> bytes | None:
    """The page of one interval; None if nothing was read in it."""
    cells = book.page(resolution, slot)
    if not cells:
        return None
    body = b"".join(_entry(key, book.series[key].kind, cell) for key, cell in cells.items())
    return bytes((VERSION,)) + zlib.compress(body)


def decode(page: bytes) -> Iterator[tuple[Key, Kind, Cell]]:
    """What is on a page. Raises PageInvalid, perhaps after some of it."""
    if page[:1] != bytes((VERSION,)):
        raise PageInvalid("a page of another version")
    unpacking = zlib.decompressobj()
    try:
        body = unpacking.decompress(page[1:], MOST_BYTES)
    except zlib.error as error:
        raise PageInvalid(str(error)) from error
    if not unpacking.eof:
        raise PageInvalid("too long, or cut off")
    at = 0
    while at < len(body):
        metric, at = _name(body, at)
        label, at = _name(body, at)
        if len(body) - at < _CELL.size:
            raise PageInvalid("a cell is cut off")
        kind, weight, *figures = _CELL.unpack_from(body, at)
        at += _CELL.size
        if kind >= len(_KINDS) or not weight or not all(map(math.isfinite, figures)):
            raise PageInvalid("not a cell")
        yield Key(metric, label), _KINDS[kind], Cell(weight, *figures)


def restore(book: Book, resolution: Resolution, slot: int, page: bytes, quarters: Container[int]) -> None:
    """Put a page back. `quarters`: those that have a page of their own; any other is made of its minutes. Raises PageInvalid, and
    has then put back nothing."""
    quarter = slot * resolution.step // QUARTER.step
    whole = resolution is QUARTER or quarter in quarters
    for key, kind, cell in list(decode(page)):
        book.restore(key, kind, resolution, slot, cell)
        if not whole:
            book.restore(key, kind, QUARTER, quarter, cell)


def _entry(key: Key, kind: Kind, cell: Cell) -> bytes:
    names = b"".join(bytes((len(name),)) + name for name in (key.metric.encode(), key.label.encode()))
    return names + _CELL.pack(_KINDS.index(kind), *cell)


def _name(body: bytes, at: int) -> tuple[str, int]:
    """The name that begins there, and where it ends."""
    end = at + 1 + body[at] if at < len(body) else len(body) + 1
    if end > len(body):
        raise PageInvalid("a name is cut off")
    try:
        return body[at + 1 : end].decode(), end
    except UnicodeDecodeError as error:
        raise PageInvalid("a name is not UTF-8") from error
