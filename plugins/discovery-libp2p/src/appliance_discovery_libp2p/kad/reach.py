"""Which addresses that a peer names are called: none that only this host or its own network has, unless the peer is there itself.

Otherwise anybody could have this node call services inside of a network that he cannot reach.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from enum import IntEnum

from appliance_discovery_libp2p.wire.multiaddr import Multiaddr


class Reach(IntEnum):
    """From how far an address can be reached."""

    NOWHERE = 0
    HOST = 1
    NETWORK = 2
    WORLD = 3


def reach(host: str) -> Reach:
    """Of an address literal. A name may be anything, so those that peers tell are not called."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return Reach.NOWHERE
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_unspecified or address.is_multicast:
        return Reach.NOWHERE
    if address.is_loopback:
        return Reach.HOST
    return Reach.WORLD if address.is_global else Reach.NETWORK


def believable(addresses: Sequence[Multiaddr], informant: str) -> tuple[Multiaddr, ...]:
    """Those that somebody at the address `informant` may name."""
    least = reach(informant)
    return tuple(address for address in addresses if reach(address.host) >= max(least, Reach.HOST))


def neighbourhood(host: str) -> str:
    """The network that one owner is likely to have whole: a /24, or a /48. "" on this host, where there is no such."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.is_loopback:
        return ""
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))
