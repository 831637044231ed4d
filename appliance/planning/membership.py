"""What being a member of a network means for this host: the addresses that its certificate gives, and what is sent to members.

A profile with the section `mesh` gets its certificate's addresses when it is loaded; from then on it is planned, shown, applied
and undone like one in which they were written. Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from appliance.api.values import Interface, Network, Problem

if TYPE_CHECKING:
    from appliance.api.profile import Profile

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

OVERLAY_BITS: Final = {4: 16, 6: 48}
"""Prefix length of the network that a node's own address stands for unless `mesh.overlay` says otherwise. Chosen: what `appliance
network new` takes for a network."""
EVERYTHING: Final = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


def with_membership(profile: Profile, addresses: Sequence[Address]) -> Profile:
    """`profile` with the addresses of this node's certificate, and without those of an earlier one."""
    assert profile.mesh is not None
    own, ranges = as_written(profile).network.addresses, overlay(profile, addresses)
    there = {address.ip for address in own}
    given = tuple(_in_its_range(address, ranges) for address in addresses if address not in there)
    mesh = profile.mesh.model_copy()
    mesh.keep_given(given)
    network = profile.network.model_copy(update={"addresses": (*own, *given)})
    return profile.model_copy(update={"network": network, "mesh": mesh})


def as_written(profile: Profile) -> Profile:
    """`profile` without what a certificate brought: as its files say it."""
    if profile.mesh is None or not profile.mesh.given:
        return profile
    given = set(profile.mesh.given)
    own = tuple(address for address in profile.network.addresses if address not in given)
    mesh = profile.mesh.model_copy()
    mesh.keep_given(())
    return profile.model_copy(update={"network": profile.network.model_copy(update={"addresses": own}), "mesh": mesh})


def overlay(profile: Profile, addresses: Sequence[Address] | None = None) -> tuple[Network, ...]:
    """Where members' addresses lie. `addresses`: those of this node's certificate, if the profile does not have them yet."""
    if profile.mesh is None:
        return ()
    if profile.mesh.overlay:
        return profile.mesh.overlay
    own = [address.ip for address in profile.mesh.given] if addresses is None else addresses
    ranges = (ipaddress.ip_network((address, OVERLAY_BITS[address.version]), strict=False) for address in own)
    return tuple(dict.fromkeys(ranges))


def reserved(profile: Profile) -> tuple[Network, ...]:
    """All ranges that are for members: what no member has of them is nobody's, whoever has a wider prefix."""
    return () if profile.mesh is None else tuple(dict.fromkeys((*overlay(profile), *profile.mesh.accept.prefixes)))


def outside_the_overlay(profile: Profile, addresses: Sequence[Address]) -> Iterator[Problem]:
    """A certificate whose addresses the other members would not take, were their profiles like this one."""
    ranges = overlay(profile, addresses)
    for address in addresses:
        if not any(address in each for each in ranges):
            yield Problem(
                "mesh.overlay",
                f"this node's own address {address} lies outside of it",
                "widen it, or leave it out; the certificate says which address this node has",
            )


def into_the_overlay(profile: Profile) -> Iterator[tuple[str, Network]]:
    """All prefixes that peers and members may have, and to whom they belong."""
    for peer in profile.peers:
        yield from ((f"peer {peer.name}", prefix) for prefix in peer.allowed)
    if profile.mesh is None:
        return
    yield from (("mesh.overlay", prefix) for prefix in overlay(profile))
    yield from (("mesh.accept.prefixes", prefix) for prefix in profile.mesh.accept.prefixes)
    if profile.mesh.accept.exit is not None:
        versions = {address.version for address in profile.network.addresses}
        yield from ((f"member {profile.mesh.accept.exit}", prefix) for prefix in EVERYTHING if prefix.version in versions)


def _in_its_range(address: Address, ranges: Sequence[Network]) -> Interface:
    length = max((each.prefixlen for each in ranges if address in each), default=address.max_prefixlen)
    return ipaddress.ip_interface(f"{address}/{length}")
