"""Longest-prefix forwarding: the peer that an inner address belongs to.

A table never changes once it is compiled; for a change another one is compiled and takes its place. Addresses are integers. A
look-up costs one dictionary access for each prefix length there is; `World` remembers the answers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Generic, TypeVar

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Target = TypeVar("Target")


class Family(Generic[Target]):
    """Prefixes of one address family: for each prefix length, longest first, a dictionary of the leading bits."""

    __slots__ = ("_levels", "_width")

    def __init__(self, width: int, entries: Iterable[tuple[int, int, Target]]) -> None:
        """`entries`: (network address, prefix length, target) with addresses of `width` bits. The last of equal prefixes wins."""
        self._width = width
        by_length: dict[int, dict[int, Target]] = {}
        for address, length, target in entries:
            by_length.setdefault(length, {})[address >> (width - length)] = target
        self._levels = tuple((width - length, by_length[length]) for length in sorted(by_length, reverse=True))

    def lookup(self, address: int, least: int = 0) -> Target | None:
        """The target of the longest prefix that holds `address`, if that prefix has at least `least` bits."""
        for shift, level in self._levels:
            if self._width - shift < least:
                return None
            target = level.get(address >> shift)
            if target is not None:
                return target
        return None


class ForwardingTable(Generic[Target]):
    """IPv4 and IPv6. Of equal prefixes in `routes` the last one wins."""

    __slots__ = ("v4", "v6")

    def __init__(self, routes: Iterable[tuple[Network, Target]] = ()) -> None:
        pairs = [(int(prefix.network_address), prefix.prefixlen, prefix.version, target) for prefix, target in routes]
        self.v4: Family[Target] = Family(32, ((a, n, t) for a, n, v, t in pairs if v == 4))
        self.v6: Family[Target] = Family(128, ((a, n, t) for a, n, v, t in pairs if v == 6))
