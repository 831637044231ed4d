"""Longest-prefix forwarding: which peer an inner address belongs to.

A table is immutable once compiled; a change compiles a new one and swaps one reference. Addresses are integers, IPv4 and IPv6
in separate families. A look-up costs one dictionary access per distinct prefix length, which `Peers` of the pipeline cache.
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
        """The target of the longest prefix that holds `address`, if it has at least so many bits."""
        for shift, level in self._levels:
            if self._width - shift < least:
                return None
            target = level.get(address >> shift)
            if target is not None:
                return target
        return None


class ForwardingTable(Generic[Target]):
    """Both families. `routes` are (prefix, target) pairs; the last of equal prefixes wins."""

    __slots__ = ("v4", "v6")

    def __init__(self, routes: Iterable[tuple[Network, Target]] = ()) -> None:
        pairs = [(int(prefix.network_address), prefix.prefixlen, prefix.version, target) for prefix, target in routes]
        self.v4: Family[Target] = Family(32, ((a, n, t) for a, n, v, t in pairs if v == 4))
        self.v6: Family[Target] = Family(128, ((a, n, t) for a, n, v, t in pairs if v == 6))
