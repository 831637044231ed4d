"""Prefixes that are never a member's: they mean this host, its links, or many hosts. `dataplane.nobodys` asks it of packets."""

from __future__ import annotations

import ipaddress
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NOBODYS: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32"),
        *("::/127", "::ffff:0:0/96", "fe80::/10", "ff00::/8"),
    )
)
_RANGES: Final = {
    version: tuple((int(bad.network_address), int(bad.broadcast_address)) for bad in NOBODYS if bad.version == version)
    for version in (4, 6)
}
"""First and last address: `subnet_of` takes thirty times as long, and a stranger's certificate is read before it is verified."""


def range_of(prefix: Network | Address) -> tuple[int, int]:
    """Its first and last address."""
    if isinstance(prefix, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return int(prefix), int(prefix)
    first = int(prefix.network_address)
    return first, first | ((1 << prefix.max_prefixlen - prefix.prefixlen) - 1)


def is_nobodys(prefix: Network | Address) -> bool:
    """Is all of it within these?"""
    start, end = range_of(prefix)
    return any(first <= start and end <= last for first, last in _RANGES[prefix.version])
