"""Where a member is called, by what its row says and what else is known of it."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from appliance.api.values import RELAY, Endpoint, Network, preference
from appliance.members.network import identity_text
from appliance.members.row import EndpointKind, Reachable, Row

MOST: Final = 8
"""Endpoints of a member that are tried. Each one that does not answer costs two seconds."""
_ORDER: Final = (EndpointKind.CONFIGURED, EndpointKind.MAPPED, EndpointKind.REFLECTED, EndpointKind.LOCAL)


def endpoints_of(row: Row, schemes: Iterable[str], own: Sequence[Network], overlay: Sequence[Network]) -> tuple[Endpoint, ...]:
    """Most wanted first: what lies in a network of this host, then what is public and no NAT's, then relays, then what may answer
    all the same; in each of these the better transport first (`api.values.BEST_FIRST`), whatever the row's order is. A relay
    answers at once, and a better path is looked for while it carries the packets.

    `schemes`: that this node can call. `own`: the networks that this host is in. Hosts by name are left out, since a row could
    have any number of nodes look up any name; so is what is in the `overlay` and what means no single host.
    """
    known = frozenset(schemes)
    usable = [each for each in row.endpoints if each.endpoint.scheme in known and _may_be_called(each.endpoint, overlay)]
    ranked = sorted(
        usable, key=lambda each: (_rank(each.endpoint, own), preference(each.endpoint), _ORDER.index(each.kind), each.age)
    )
    likely = _some_of_each([each.endpoint for each in ranked if _is_likely(each, own)], MOST)
    unlikely = _some_of_each([each.endpoint for each in ranked if not _is_likely(each, own)], MOST - len(likely))
    relays = [Endpoint(RELAY, "", 0, identity_text(relay)) for relay in row.relays] if RELAY in known else []
    return tuple(dict.fromkeys([*likely, *relays, *unlikely]))


def _some_of_each(endpoints: Sequence[Endpoint], most: int) -> list[Endpoint]:
    """At most so many, in their order, and none for which there would be no room for another transport's best."""
    so_far: Counter[str] = Counter()
    places = []
    for at, endpoint in enumerate(endpoints):
        places.append((so_far[endpoint.scheme], at))
        so_far[endpoint.scheme] += 1
    return [endpoints[at] for at in sorted(at for _, at in sorted(places)[:most])]


def _may_be_called(endpoint: Endpoint, overlay: Sequence[Network]) -> bool:
    try:
        address = ipaddress.ip_address(endpoint.host)
    except ValueError:
        return False
    special = address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
    return not special and not any(address.version == each.version and address in each for each in overlay)


def _is_likely(each: Reachable, own: Sequence[Network]) -> bool:
    """Does somebody answer there, if anybody is there? What a NAT shows lets in those only that were called, and an address that
    is private somewhere else is not this one."""
    rank = _rank(each.endpoint, own)
    return rank == 0 or (rank == 1 and each.kind is not EndpointKind.REFLECTED)


def _rank(endpoint: Endpoint, own: Sequence[Network]) -> int:
    address = ipaddress.ip_address(endpoint.host)
    if any(address.version == each.version and address in each for each in own):
        return 0
    return 1 if address.is_global else 2
