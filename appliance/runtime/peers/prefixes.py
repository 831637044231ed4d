"""Which prefixes are whose, and which of them overlap. What a question costs does not grow with the number of prefixes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from appliance.api.values import Network

FEW: Final = 64
"""From so many new prefixes on, sorting once costs less than finding a place for each."""
LENGTH_BITS: Final = 8
"""A prefix is one number here: its first address, then its length in so many bits. Sorted, what lies inside follows."""


class PrefixIndex:
    """Prefixes with their owners' names. A prefix has one owner; prefixes may lie within others."""

    def __init__(self) -> None:
        self._families = {4: _Family(32), 6: _Family(128)}

    def add(self, prefixes: Iterable[tuple[Network, str]]) -> None:
        """These have those owners from now on."""
        new: dict[int, list[tuple[int, int, str]]] = {4: [], 6: []}
        for prefix, owner in prefixes:
            new[prefix.version].append((int(prefix.network_address), prefix.prefixlen, owner))
        for version, entries in new.items():
            self._families[version].add(entries)

    def remove(self, prefixes: Iterable[Network]) -> None:
        """These have no owner any more. What has none already is no error."""
        for prefix in prefixes:
            self._families[prefix.version].remove(int(prefix.network_address), prefix.prefixlen)

    def overlapping(self, prefix: Network) -> Iterator[tuple[Network, str]]:
        """What is `prefix`, lies inside it, or is around it, each with its owner."""
        of = type(prefix)
        for key, owner in self._families[prefix.version].overlapping(int(prefix.network_address), prefix.prefixlen):
            yield of((key >> LENGTH_BITS, key & (1 << LENGTH_BITS) - 1)), owner


class _Family:
    """The prefixes of one address family, of `width` bits."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._owners: dict[int, str] = {}
        self._sorted: list[int] = []
        self._lengths: Counter[int] = Counter()

    def add(self, entries: list[tuple[int, int, str]]) -> None:
        new = []
        for start, length, owner in entries:
            key = start << LENGTH_BITS | length
            if key not in self._owners:
                new.append(key)
                self._lengths[length] += 1
            self._owners[key] = owner
        if len(new) >= FEW:
            self._sorted += new
            self._sorted.sort()
            return
        for key in new:
            insort(self._sorted, key)

    def remove(self, start: int, length: int) -> None:
        key = start << LENGTH_BITS | length
        if self._owners.pop(key, None) is None:
            return
        del self._sorted[bisect_left(self._sorted, key)]
        self._lengths[length] -= 1
        if not self._lengths[length]:
            del self._lengths[length]

    def overlapping(self, start: int, length: int) -> Iterator[tuple[int, str]]:
        """Keys and owners."""
        for around in list(self._lengths):
            if around < length:
                beyond = self._width - around
                key = (start >> beyond << beyond) << LENGTH_BITS | around
                owner = self._owners.get(key)
                if owner is not None:
                    yield key, owner
        last = start | (1 << self._width - length) - 1
        first_key, last_key = start << LENGTH_BITS | length, (last << LENGTH_BITS) + (1 << LENGTH_BITS) - 1
        for key in self._sorted[bisect_left(self._sorted, first_key) : bisect_right(self._sorted, last_key)]:
            yield key, self._owners[key]
