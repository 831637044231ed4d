"""The networks that this host is in, as far as multicast is of use there."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

import ifaddr

LOOPBACK: Final = "lo"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Interface(NamedTuple):
    """One interface with its addresses."""

    name: str
    number: int
    """The kernel's."""
    addresses: tuple[Address, ...]
    networks: tuple[Network, ...]

    def choices(self) -> list[str | int]:
        """How zeroconf is told to use it: IPv4 addresses, and its number for IPv6."""
        found: list[str | int] = [str(address) for address in self.addresses if address.version == 4]
        return found + ([self.number] if any(address.version == 6 for address in self.addresses) else [])


def interfaces(overlay: str, wanted: Collection[str]) -> tuple[Interface, ...]:
    """Those that are `wanted`, or else all but the loopback and the `overlay`'s own: who is in there is found already."""
    found = []
    for adapter in ifaddr.get_adapters():
        name = str(adapter.nice_name)
        chosen = name in wanted if wanted else name not in {LOOPBACK, overlay}
        if chosen and adapter.ips and adapter.index:
            pairs = [_pair(ip) for ip in adapter.ips]
            networks = tuple(dict.fromkeys(network for _, network in pairs))
            found.append(Interface(name, adapter.index, tuple(address for address, _ in pairs), networks))
    return tuple(sorted(found))


def near(address: str, present: Iterable[Interface]) -> bool:
    """Is `address` in a network that this host is in? Others are not for a neighbour to tell: they would be called."""
    bare = ipaddress.ip_address(address.partition("%")[0])
    if bare.is_multicast or bare.is_unspecified or bare.is_loopback:
        return False
    return any(bare in network for interface in present for network in interface.networks)


def _pair(ip: ifaddr.IP) -> tuple[Address, Network]:
    text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
    address = ipaddress.ip_address(text.partition("%")[0])
    return address, ipaddress.ip_network((address.packed, ip.network_prefix), strict=False)
