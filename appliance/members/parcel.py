"""Several statements in the body of one control message: each behind its length (u16)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from appliance.members.fields import Reader
from appliance.members.statement import MAX_STATEMENT_BYTES

MAX_PARCEL_BYTES: Final = 15_000
"""A control message has 16,384 bytes, and its content some of them."""
LENGTH_BYTES: Final = 2


def pack_parcel(statements: Iterable[bytes]) -> bytes:
    """The body of a message with all of them."""
    return b"".join(len(each).to_bytes(LENGTH_BYTES, "big") + each for each in statements)


def read_parcel(body: bytes) -> Iterator[bytes]:
    """The statements in it. Raises StatementRefused at the first place where there is none."""
    reader, left = Reader(body), len(body)
    while left > 0:
        size = reader.number(LENGTH_BYTES)
        left -= LENGTH_BYTES + size
        yield reader.take(size)


def parcels(statements: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The statements in order, as many at a time as fit into one message."""
    filled: list[bytes] = []
    size = 0
    for each in statements:
        needed = LENGTH_BYTES + len(each)
        if filled and size + needed > MAX_PARCEL_BYTES:
            yield filled
            filled, size = [], 0
        filled.append(each)
        size += needed
    if filled:
        yield filled


assert LENGTH_BYTES + MAX_STATEMENT_BYTES <= MAX_PARCEL_BYTES
