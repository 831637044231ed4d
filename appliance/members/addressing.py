"""Which addresses a new member gets: by its fingerprint, so that two issuers that do not hear of each other seldom give one
twice, and never one that is known to be somebody's."""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable
from typing import Final

from appliance.api.values import Network
from appliance.members.fields import Address

MOST_TRIES: Final = 65_536
"""All of a /16. A range that full is full."""


def free_addresses(ranges: Iterable[Network], digest: bytes, used: Container[Address]) -> tuple[Address, ...]:
    """One address of each IP version that `ranges` have, from the first range with a free one; fewer when all are taken.

    `digest`: 32 bytes, of the member's identity.
    """
    found: dict[int, Address] = {}
    for each in ranges:
        if each.version not in found and (address := _free(each, digest, used)) is not None:
            found[each.version] = address
    return tuple(found.values())


RANGE_BITS: Final = {4: 16, 6: 48}
"""Prefix length of a network's ranges, and of what a member takes for one (`planning.membership`)."""


def ranges_around(addresses: Iterable[Address]) -> tuple[Network, ...]:
    """The ranges in which these addresses lie."""
    return tuple(ipaddress.ip_network((address, RANGE_BITS[address.version]), strict=False) for address in addresses)


def ranges_of(network: bytes) -> tuple[Network, Network]:
    """Where the members of the network with this digest have their addresses, if nobody said otherwise: a /16 of 10.0.0.0/8 that
    is seldom a home's or an office's, and a /48 of unique local addresses (RFC 4193, section 3.2.2: 40 bits drawn once)."""
    second = 64 + network[0] % 128
    return ipaddress.IPv4Network(f"10.{second}.0.0/16"), ipaddress.IPv6Network((b"\xfd" + network[1:6] + bytes(10), 48))


def _free(within: Network, digest: bytes, used: Container[Address]) -> Address | None:
    first, last = _hosts(within)
    size = last - first + 1
    start = int.from_bytes(digest[:16], "big")
    of = type(within.network_address)
    tries = (of(first + (start + step) % size) for step in range(min(size, MOST_TRIES)))
    return next((address for address in tries if address not in used), None)


def _hosts(within: Network) -> tuple[int, int]:
    """First and last address that a host may have: not the network's own (in IPv6 the routers': RFC 4291, section 2.6.1), nor the
    broadcast address."""
    first, last = int(within.network_address), int(within.broadcast_address)
    if within.num_addresses > 2:
        return first + 1, last - (1 if within.version == 4 else 0)
    return first, last
