"""Policy routing, for a full tunnel and for networks that stay local: what goes into the overlay stands in a table of its own.

    32764   everything      main, for routes longer than /0     what this host reaches without its default route
    32765   not our mark    the overlay's table                 everything else, but for the packets that carry the overlay
    32766   everything      main                                those, by whatever default route there is just now

Behind a default route of the overlay's table stands an unreachable one: when the TUN device goes, and its routes with it, what
belongs into the tunnel does not fall through to the third rule.

No route names a peer's endpoint or the gateway outside, so nothing goes stale when the uplink changes. wg-quick(8) does the same.
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
    """Where the route to a peer's prefix belongs."""
    return network.mark if network.local == "keep" or not prefix.prefixlen else own.MAIN_TABLE


def unreachable_defaults(network: NetworkSection, routes: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """For each default route of the overlay's table the one that is left without the device."""
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
                    "protocol": own.ROUTE_PROTOCOL,
                    "type": "unreachable",
                }
            )


def policy_rules(network: NetworkSection, routes: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The two rules for each IP version that has routes in the overlay's table."""
    if not uses_policy_routing(network):
        return
    in_table = [route["destination"] for route in routes if route["table"] == network.mark]
    for family in sorted({6 if ":" in destination else 4 for destination in in_table}):
        common = {"family": family, "protocol": own.ROUTE_PROTOCOL}
        main = {"priority": own.MAIN_RULE_PRIORITY, "table": own.MAIN_TABLE, "suppress_prefixlength": 0}
        tunnel = {"priority": own.TUNNEL_RULE_PRIORITY, "table": network.mark, "fwmark": network.mark, "invert": True}
        yield own.rule_args(common | main)
        yield own.rule_args(common | tunnel)


def is_strict(observed: HostState, for_all: str | None) -> bool:
    """Would reverse-path filtering drop the peers' packets? The kernel asks for the way back without our mark, and that way is
    the overlay. It takes the larger of an interface's setting and `for_all`, the one for all."""
    each = [value for key, value in observed.sysctls.items() if key.endswith("rp_filter") and key != RP_FILTER]
    return for_all == STRICT or (for_all == "0" and STRICT in each)


def outside_the_tunnel(profile: Profile, routes: Iterable[Mapping[str, Any]], observed: HostState) -> tuple[str, ...]:
    """A full tunnel for one IP version leaves the other one's traffic outside."""
    if not profile.network.full_tunnel:
        return ()
    inside = {route["destination"] for route in routes if route["table"] == profile.network.mark}
    outside = {route["destination"] for route in observed.routes if route["table"] == own.MAIN_TABLE}
    return tuple(
        f"IPv{version} does not go into the full tunnel: no peer has {default} among its allowed prefixes"
        for version, default in DEFAULTS.items()
        if default in outside - inside
    )
