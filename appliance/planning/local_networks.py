"""Networks around this host that a peer's prefix takes into the tunnel: a hotel's network, say, with the numbers of the office's.
And this host's addresses, which no peer may have.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from appliance.api.planning import Advice
from appliance.api.profile import Profile
from appliance.api.values import Network
from appliance.planning.membership import into_the_overlay
from appliance.planning.policy import table_for

MOST_HELD = 16384
"""Addresses of this host that the data plane is told. A worker needs 7 ms to make its sets of so many."""
_OF_NO_HOST = re.compile(r"127\.|169\.254\.|::1$|fe[89ab][0-9a-f]:")
"""Loopback and link-local addresses. Thousands of addresses are judged at once, and `ipaddress` needs 30 µs for each."""
MOST_NAMED = 8
"""Prefixes that are named in one sentence. A peer with a thousand prefixes in one network is one mistake, not a thousand."""


def swallowed(profile: Profile, addresses: Iterable[Mapping[str, Any]]) -> tuple[Advice, ...]:
    """Advice about each network of `addresses` (as HostState has them) in which the main table has a route to a peer."""
    return tuple(_swallowed(profile, addresses))


def held(addresses: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Each of `addresses` once, in order, without its network. Loopback and link-local addresses are left out: no peer may have
    them anyway."""
    found = {entry["address"].partition("/")[0] for entry in addresses}
    return tuple(sorted(address for address in found if not _OF_NO_HOST.match(address)))


def _swallowed(profile: Profile, addresses: Iterable[Mapping[str, Any]]) -> Iterator[Advice]:
    inside = list(_into_the_tunnel(profile))
    for link, local in _local_networks(profile.network.interface, addresses):
        shift = local.max_prefixlen - local.prefixlen
        wanted = int(local.network_address) >> shift
        found = [
            f"{prefix} of {owner}"
            for owner, prefix in inside
            if prefix.version == local.version
            and prefix.prefixlen >= local.prefixlen
            and int(prefix.network_address) >> shift == wanted
        ]
        if found:
            named = ", ".join(found[:MOST_NAMED]) + (f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else "")
            yield Advice(
                "local-network-swallowed",
                f"this host is in {local} ({link}), and what it sends there goes into the tunnel: {named}",
                "write network.local: keep to reach the hosts around this one, nothing if the peer's are meant",
            )


def _into_the_tunnel(profile: Profile) -> Iterator[tuple[str, Network]]:
    """Prefixes whose routes compete with those of the networks around this host, and to whom they belong."""
    network = profile.network
    for entry in network.routes:
        if entry.device in {None, network.interface} and entry.table is None and entry.to.prefixlen:
            yield "network.routes", entry.to
    yield from ((whose, prefix) for whose, prefix in into_the_overlay(profile) if table_for(prefix, network) != network.mark)


def _local_networks(interface: str, addresses: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Network]]:
    seen = set()
    for entry in addresses:
        network = ipaddress.ip_interface(entry["address"]).network
        alone = network.prefixlen == network.max_prefixlen
        if entry["link"] in {interface, "lo"} or entry["scope"] in {"link", "host"} or alone or network in seen:
            continue
        seen.add(network)
        yield entry["link"], network
