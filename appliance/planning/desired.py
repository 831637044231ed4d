"""What a profile wants of a host, in the terms of `HostState`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from appliance.api.planning import HostState
from appliance.api.profile import NetworkSection, Profile, RouteEntry
from appliance.api.values import Network
from appliance.planning import own
from appliance.planning.cores import workers
from appliance.planning.ledger import Ledger
from appliance.planning.membership import into_the_overlay
from appliance.planning.policy import (
    RP_FILTER,
    is_strict,
    outside_the_tunnel,
    policy_rules,
    table_for,
    unreachable_defaults,
    uses_policy_routing,
)
from appliance.planning.ruleset import Ruleset, place_of, ruleset

AUTO_DATAGRAM_BYTES = 1400
"""What `network.datagram: auto` means for the size of super-packets."""
FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}


@dataclass(frozen=True, slots=True)
class Desired:
    """The wanted interface and all that belongs to it, in the order in which it is made."""

    link: dict[str, Any]
    """The interface: name, mtu, gso_max_size, tx_queue_len, up."""
    multi_queue: bool
    """The TUN device has several queues."""
    addresses: tuple[str, ...]
    """Each with its prefix length."""
    routes: tuple[dict[str, Any], ...]
    """As `own.route_args` has them."""
    rules: tuple[dict[str, Any], ...]
    """As `own.rule_args` has them."""
    sysctls: dict[str, str]
    """Key to value."""
    table: Ruleset | None
    """The nftables table; None if none is needed."""
    warnings: tuple[str, ...]
    """Sentences for the admin."""
    owner: own.Owner = own.UNNAMED
    """Whose all that is."""


def desired(profile: Profile, observed: HostState, ledger: Ledger) -> Desired:
    """What `profile` wants of the host `observed`. Only the MSS clamp, the settings of IPv6 and the queues of the TUN depend on
    the host."""
    network = profile.network
    datagram = AUTO_DATAGRAM_BYTES if network.datagram == "auto" else network.datagram
    owner = ledger.owner
    routes, warnings = _routes(profile, owner)
    warnings += outside_the_tunnel(profile, routes, observed)
    sysctls = _sysctls(profile, observed, ledger)
    table, table_warnings = _table(profile, observed, _forwarding(sysctls, observed, ledger), owner)
    return Desired(
        link={
            "name": network.interface,
            "mtu": network.mtu,
            "gso_max_size": own.gso_max_size(datagram),
            "tx_queue_len": own.TX_QUEUE_PACKETS,
            "up": True,
        },
        multi_queue=workers(network.workers, observed.cores) > 1,
        addresses=tuple(str(address) for address in network.addresses),
        routes=routes,
        rules=(*_rules(network, owner), *policy_rules(network, routes, owner)),
        sysctls=sysctls,
        table=table,
        warnings=warnings + table_warnings,
        owner=owner,
    )


def forwarded_versions(profile: Profile) -> set[int]:
    """IP versions that the kernel has to forward: those that are masqueraded, with `network.forward` those of routes, and with a
    policy besides those of the overlay, since what peers send each other is then the kernel's to pass on."""
    network = profile.network
    versions: set[int] = {prefix.version for prefix in network.masquerade}
    if network.forward:
        versions |= {route.to.version for route in network.routes}
    if network.forward and profile.policy is not None:
        versions |= {address.version for address in network.addresses}
    return versions


def _routes(profile: Profile, owner: own.Owner) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...]]:
    network = profile.network
    connected = {address.network for address in network.addresses}
    routes: dict[tuple[Any, ...], dict[str, Any]] = {}
    warnings = []
    for entry in network.routes:
        if not _is_connected(entry, network.interface, connected):
            _put(routes, _route(owner, network.interface, entry.to, entry))
    for whose, prefix in into_the_overlay(profile):
        if prefix.prefixlen == 0 and not network.full_tunnel:
            warnings.append(
                f"{whose} may send from everywhere ({prefix}), but nothing is routed to it for that reason alone; "
                "write network.full_tunnel: true to send it everything, or network.routes for what should go there"
            )
        elif prefix.version == 6 and network.mtu < own.IPV6_MIN_MTU:
            warnings.append(f"{prefix} of {whose} is not routed: IPv6 needs network.mtu to be {own.IPV6_MIN_MTU} or more")
        elif not any(_within(prefix, net) for net in connected):
            _put(routes, _route(owner, network.interface, prefix, table=table_for(prefix, network)))
    for route in tuple(unreachable_defaults(network, routes.values(), owner)):
        _put(routes, route)
    return tuple(routes.values()), tuple(warnings)


def _put(routes: dict[tuple[Any, ...], dict[str, Any]], route: dict[str, Any]) -> None:
    routes.setdefault((route["destination"], route["table"], route["metric"]), route)


def _route(
    owner: own.Owner, interface: str, to: Network, entry: RouteEntry | None = None, table: int = own.MAIN_TABLE
) -> dict[str, Any]:
    return {
        "destination": str(to),
        "via": str(entry.via) if entry and entry.via else None,
        "link": entry.device if entry and entry.device else interface,
        "table": entry.table if entry and entry.table else table,
        "metric": own.route_metric(to.version, entry.metric if entry else None),
        "protocol": owner.protocol,
    }


def _is_connected(entry: RouteEntry, interface: str, connected: set[Network]) -> bool:
    """Will the kernel make this route by itself, for one of our addresses?"""
    plain = entry.via is None and not entry.metric and entry.table in {None, own.MAIN_TABLE}
    return plain and entry.device in {None, interface} and entry.to in connected


def _within(prefix: Network, network: Network) -> bool:
    if isinstance(prefix, ipaddress.IPv4Network):
        return isinstance(network, ipaddress.IPv4Network) and prefix.subnet_of(network)
    return isinstance(network, ipaddress.IPv6Network) and prefix.subnet_of(network)


def _rules(network: NetworkSection, owner: own.Owner) -> Iterator[dict[str, Any]]:
    for rule in network.rules:
        given = [prefix for prefix in (rule.from_, rule.to) if prefix is not None]
        for version in sorted({prefix.version for prefix in given}) or (4, 6):
            yield own.rule_args(
                {
                    "family": version,
                    "priority": rule.priority,
                    "from": None if rule.from_ is None or not rule.from_.prefixlen else str(rule.from_),
                    "to": None if rule.to is None or not rule.to.prefixlen else str(rule.to),
                    "fwmark": rule.fwmark or None,
                    "table": rule.table,
                    "protocol": owner.protocol,
                }
            )


def _sysctls(profile: Profile, observed: HostState, ledger: Ledger) -> dict[str, str]:
    network = profile.network
    wanted = dict.fromkeys(_deaf_to(network, observed), "0")
    by_version = {version: [a for a in network.addresses if a.version == version] for version in (4, 6)}
    disabled = own.link_sysctl(6, network.interface, "disable_ipv6")
    if by_version[6] and _original(disabled, network.interface, observed, ledger) == "1":
        wanted[disabled] = "0"
    if len({address.network for address in by_version[4]}) < len(by_version[4]):
        # Otherwise the kernel drops a network's other addresses with its first.
        wanted[own.link_sysctl(4, network.interface, "promote_secondaries")] = "1"
    versions = forwarded_versions(profile)
    if 6 in versions:
        # A forwarding host drops its default routes from router advertisements, unless told otherwise.
        routers = {route["link"] for route in observed.routes if route["protocol"] == own.RA_PROTOCOL and route["link"]}
        accepting = [own.link_sysctl(6, link, "accept_ra") for link in sorted(routers - {network.interface})]
        ours = [key for key in ledger.originals if key.endswith("accept_ra") and observed.sysctls.get(key) == "2"]
        accepting += [key for key in ours if key not in accepting]
        wanted |= dict.fromkeys(accepting, "2")
    wanted |= {FORWARDING[version]: "1" for version in sorted(versions)}
    if uses_policy_routing(network) and is_strict(observed, _original(RP_FILTER, network.interface, observed, ledger)):
        wanted[RP_FILTER] = "2"
    return wanted | {key: " ".join(value.split()) for key, value in network.sysctls.items()}


def _deaf_to(network: NetworkSection, observed: HostState) -> Iterator[str]:
    """Those settings of `own.DEAF_TO` that the interface will have. With a small MTU it has no IPv6, and none of its settings."""
    for version, leaf in own.DEAF_TO:
        key = own.link_sysctl(version, network.interface, leaf)
        has_version = version == 4 or network.mtu >= own.IPV6_MIN_MTU
        if has_version and own.default_sysctl(key, network.interface) in observed.sysctls:
            yield key


def _original(key: str, interface: str, observed: HostState, ledger: Ledger) -> str | None:
    """A setting of the interface as it was before we changed it, or as a new interface gets it."""
    if key in ledger.originals:
        return str(ledger.originals[key].args["value"])
    return observed.sysctls.get(key, observed.sysctls.get(own.default_sysctl(key, interface)))


def _forwarding(sysctls: Mapping[str, str], observed: HostState, ledger: Ledger) -> bool:
    """Will the host forward packets once the profile is applied?"""
    before = {key: action.args["value"] for key, action in ledger.originals.items()}
    return any("1" in {sysctls.get(key), before.get(key, observed.sysctls.get(key))} for key in FORWARDING.values())


def _table(profile: Profile, observed: HostState, forwards: bool, owner: own.Owner) -> tuple[Ruleset | None, tuple[str, ...]]:
    network = profile.network
    clamp = network.clamp_mss and forwards
    if not (network.masquerade or clamp or profile.policy):
        return None, ()
    if "nft" not in observed.tools and not (network.masquerade or profile.policy):
        return None, ("this host forwards packets, but without the command nft the MSS of forwarded connections is not clamped",)
    made = ruleset(owner.table, network.interface, masquerade=network.masquerade, clamp_mss=clamp)
    if profile.policy is not None:
        from appliance.planning.access import access_chains, kept

        made = kept([*made, *access_chains(profile, place_of(owner.table))], observed.tables.get(owner.table) or ())
    return made, ()
