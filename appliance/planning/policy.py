"""Policy routing, for a full tunnel and for networks that stay local: routes into the overlay are in a table of their own.

    32764   everything      main, for routes longer than /0     what this host reaches without its default route
    32765   not our mark    the overlay's table                 everything else, except the packets that carry the overlay
    32766   everything      main                                those packets, by the default route that there is now

Besides each default route of the overlay's table there is an unreachable one: when the TUN device and its routes are gone, what
belongs into the tunnel does not come to the third rule.

No route names a peer's endpoint or the gateway outside, so none is out of date when the uplink changes. wg-quick(8) does the
same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from appliance.api.planning import HostState
from appliance.api.profile import NetworkSection, Profile
from appliance.api.values import Network
from appliance.planning import own

RP_FILTER = "net.ipv4.conf.all.rp_filter"
STRICT = "1"
DEFAULTS = {4: "0.0.0.0/0", 6: "::/0"}


def uses_policy_routing(network: NetworkSection) -> bool:
    """Does the profile need a table of its own?"""
    return network.full_tunnel or network.local == "keep"


def table_for(prefix: Network, network: NetworkSection) -> int:
    """The table of the route to a peer's prefix."""
    return network.mark if network.local == "keep" or not prefix.prefixlen else own.MAIN_TABLE


def unreachable_defaults(
    network: NetworkSection, routes: Iterable[Mapping[str, Any]], owner: own.Owner
) -> Iterator[dict[str, Any]]:
    """For each default route of the overlay's table one that counts when the device is gone."""
    if not uses_policy_routing(network):
        return
    in_table = {route["destination"] for route in routes if route["table"] == network.mark}
    for default in DEFAULTS.values():
        if default in in_table:
            yield own.route_args(
                {
                    "destination": default,
                    "table": network.mark,
                    "metric": own.LAST_METRIC,
                    "protocol": owner.protocol,
                    "type": "unreachable",
                }
            )


def policy_rules(network: NetworkSection, routes: Iterable[Mapping[str, Any]], owner: own.Owner) -> Iterator[dict[str, Any]]:
    """The two rules for each IP version that has routes in the overlay's table."""
    if not uses_policy_routing(network):
        return
    in_table = [route["destination"] for route in routes if route["table"] == network.mark]
    for family in sorted({6 if ":" in destination else 4 for destination in in_table}):
        common = {"family": family, "protocol": owner.protocol}
        main = {"priority": own.MAIN_RULE_PRIORITY, "table": own.MAIN_TABLE, "suppress_prefixlength": 0}
        tunnel = {"priority": own.TUNNEL_RULE_PRIORITY, "table": network.mark, "fwmark": network.mark, "invert": True}
        yield own.rule_args(common | main)
        yield own.rule_args(common | tunnel)


def is_strict(observed: HostState, for_all: str | None) -> bool:
    """Would reverse-path filtering drop the peers' packets? The kernel asks for the way back without our mark, and without it the
    way is the overlay. Of an interface's setting and `for_all`, the one for all interfaces, it takes the larger."""
    each = [value for key, value in observed.sysctls.items() if key.endswith("rp_filter") and key != RP_FILTER]
    return for_all == STRICT or (for_all == "0" and STRICT in each)


def outside_the_tunnel(profile: Profile, routes: Iterable[Mapping[str, Any]], observed: HostState) -> tuple[str, ...]:
    """Warnings: a full tunnel for one IP version leaves the traffic of the other outside."""
    if not profile.network.full_tunnel:
        return ()
    inside = {route["destination"] for route in routes if route["table"] == profile.network.mark}
    outside = {route["destination"] for route in observed.routes if route["table"] == own.MAIN_TABLE}
    return tuple(
        f"IPv{version} does not go into the full tunnel: no peer has {default} among its allowed prefixes"
        for version, default in DEFAULTS.items()
        if default in outside - inside
    )
