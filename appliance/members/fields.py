"""The fields that bodies of statements are made of: read and written here, one behind the other, in one encoding only.

     text      length u8, characters          address   family u8 (4 or 6), 4 or 16 bytes
     list      count u8, fields               prefix    family u8, length in bits u8, first address
     names     of people: DNS labels in lower case (RFC 1123, section 2.1)

The fields of a list ascend by their bytes, and none is there twice.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Final, TypeVar

from appliance.api.values import Network
from appliance.members.statement import Refusal, StatementRefused
from appliance.wire.nobodys import is_nobodys

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Field = TypeVar("Field")

NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
TAG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)
_BYTES_OF: Final = {4: 4, 6: 16}
_ADDRESS_OF: Final[dict[int, type[Address]]] = {4: ipaddress.IPv4Address, 16: ipaddress.IPv6Address}
_NETWORK_OF: Final[dict[int, type[Network]]] = {4: ipaddress.IPv4Network, 16: ipaddress.IPv6Network}


class Reader:
    """A place in a body. What is not there, or not in its only encoding, raises StatementRefused."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, length: int) -> bytes:
        """So many bytes."""
        end = self._at + length
        if end > len(self._body):
            raise StatementRefused(Refusal.MALFORMED)
        found, self._at = self._body[self._at : end], end
        return found

    def number(self, length: int) -> int:
        """An integer of so many bytes, in network order, without a sign."""
        return int.from_bytes(self.take(length), "big")

    def flags(self, known: int) -> int:
        """One byte without unknown bits."""
        found = self.number(1)
        if found & ~int(known):  # the inverse of an `IntFlag` has only bits that have names
            raise StatementRefused(Refusal.MALFORMED)
        return found

    def text(self, pattern: re.Pattern[str]) -> str:
        """Characters that fit `pattern`."""
        found = self.take(self.number(1)).decode("latin-1")
        if not pattern.fullmatch(found):
            raise StatementRefused(Refusal.MALFORMED)
        return found

    def name(self) -> str:
        """A name of a node."""
        return self.text(NAME)

    def tag(self) -> str:
        """A tag."""
        return self.text(TAG)

    def address(self) -> Address:
        """One that a node may have."""
        found: Address = _ADDRESS_OF[size := self._family()](self.take(size))
        if is_nobodys(found):
            raise StatementRefused(Refusal.MALFORMED)
        return found

    def prefix(self) -> Network:
        """Any prefix; its host bits are zero."""
        size = self._family()
        length = self.number(1)
        first = self.take(size)
        if length > 8 * size or int.from_bytes(first, "big") & ((1 << 8 * size - length) - 1):
            raise StatementRefused(Refusal.MALFORMED)
        return _NETWORK_OF[size]((first, length))

    def several(self, read: Callable[[], Field], most: int) -> tuple[Field, ...]:
        """A list of what `read` reads."""
        count = self.number(1)
        if count > most:
            raise StatementRefused(Refusal.MALFORMED)
        found, pieces = [], []
        for _ in range(count):
            start = self._at
            found.append(read())
            pieces.append(self._body[start : self._at])
        if not all(first < second for first, second in pairwise(pieces)):
            raise StatementRefused(Refusal.MALFORMED)
        return tuple(found)

    def end(self) -> None:
        """There is no more."""
        if self._at != len(self._body):
            raise StatementRefused(Refusal.MALFORMED)

    def _family(self) -> int:
        size = _BYTES_OF.get(self.number(1))
        if size is None:
            raise StatementRefused(Refusal.MALFORMED)
        return size


def text(value: str) -> bytes:
    """What `Reader.text` reads."""
    encoded = value.encode()
    return bytes((len(encoded),)) + encoded


def address(value: Address) -> bytes:
    """What `Reader.address` reads."""
    return bytes((value.version,)) + value.packed


def prefix(value: Network) -> bytes:
    """What `Reader.prefix` reads."""
    return bytes((value.version, value.prefixlen)) + value.network_address.packed


def several(fields: Iterable[bytes]) -> bytes:
    """What `Reader.several` reads: sorted, each once."""
    ordered = sorted(set(fields))
    return bytes((len(ordered),)) + b"".join(ordered)
