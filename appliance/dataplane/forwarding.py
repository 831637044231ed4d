"""Longest-prefix forwarding: which peer an inner address belongs to.

A table changes prefix by prefix, between two turns of the worker's loop; what is not named in a change is not touched. Addresses
are integers, IPv4 and IPv6 in separate families. A look-up costs one dictionary access per distinct prefix length, which `Peers`
of the pipeline cache.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Target = TypeVar("Target")


class Family(Generic[Target]):
    """Prefixes of one address family: for each prefix length, longest first, a dictionary of the leading bits."""

    __slots__ = ("_by_length", "_levels", "_width")

    def __init__(self, width: int) -> None:
        """Addresses have `width` bits."""
        self._width = width
        self._by_length: dict[int, dict[int, Target]] = {}
        self._levels: tuple[tuple[int, dict[int, Target]], ...] = ()

    def get(self, address: int, length: int) -> Target | None:
        """The target of exactly this prefix."""
        return self._by_length.get(length, {}).get(address >> (self._width - length))

    def put(self, address: int, length: int, target: Target) -> None:
        """This prefix has that target from now on."""
        level = self._by_length.get(length)
        if level is None:
            level = self._by_length[length] = {}
            self._sort()
        level[address >> (self._width - length)] = target

    def drop(self, address: int, length: int) -> None:
        """This prefix has no target any more. Nothing happens when it has none."""
        level = self._by_length.get(length, {})
        level.pop(address >> (self._width - length), None)
        if not level and length in self._by_length:
            del self._by_length[length]
            self._sort()

    def lookup(self, address: int, least: int = 0) -> Target | None:
        """The target of the longest prefix that holds `address`, if it has at least so many bits."""
        for shift, level in self._levels:
            if self._width - shift < least:
                return None
            target = level.get(address >> shift)
            if target is not None:
                return target
        return None

    def around(self, address: int, length: int) -> Iterator[Target]:
        """The targets of shorter prefixes that hold this one, longest first."""
        for shift, level in self._levels:
            if self._width - shift < length and (target := level.get(address >> shift)) is not None:
                yield target

    def _sort(self) -> None:
        self._levels = tuple((self._width - length, self._by_length[length]) for length in sorted(self._by_length, reverse=True))


class ForwardingTable(Generic[Target]):
    """Both families. `routes` are (prefix, target) pairs; the last of equal prefixes wins."""

    __slots__ = ("v4", "v6")

    def __init__(self, routes: Iterable[tuple[Network, Target]] = ()) -> None:
        self.v4: Family[Target] = Family(32)
        self.v6: Family[Target] = Family(128)
        for prefix, target in routes:
            self.put(prefix, target)

    def of(self, prefix: Network) -> Family[Target]:
        """The family that `prefix` is of."""
        return self.v4 if prefix.version == 4 else self.v6

    def get(self, prefix: Network) -> Target | None:
        """The target of exactly this prefix."""
        return self.of(prefix).get(int(prefix.network_address), prefix.prefixlen)

    def put(self, prefix: Network, target: Target) -> None:
        """This prefix has that target from now on."""
        self.of(prefix).put(int(prefix.network_address), prefix.prefixlen, target)

    def drop(self, prefix: Network) -> None:
        """This prefix has no target any more. Nothing happens when it has none."""
        self.of(prefix).drop(int(prefix.network_address), prefix.prefixlen)

    def around(self, prefix: Network) -> Iterator[Target]:
        """The targets of shorter prefixes that hold this one, longest first."""
        return self.of(prefix).around(int(prefix.network_address), prefix.prefixlen)
