"""Which settings and tables of a host have to be read to plan a profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from appliance.api.profile import Profile
from appliance.planning import own
from appliance.planning.contributions import Held, asked_settings, table_of
from appliance.planning.desired import FORWARDING, forwarded_versions
from appliance.planning.ledger import Ledger
from appliance.planning.naming import naming
from appliance.planning.policy import RP_FILTER, uses_policy_routing

PER_LINK = {4: ("forwarding",), 6: ("forwarding", "accept_ra")}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What has to be read."""

    sysctls: tuple[str, ...] = ()
    """Keys."""
    link_sysctls: tuple[tuple[int, str], ...] = ()
    """(IP version, last word of the key): that setting of each interface, and of "default"."""
    tables: tuple[str, ...] = (own.TABLE,)
    """nftables tables, the node's own first."""
    ruleset: bool = False
    """Also the firewalls of others."""
    resolved: str = ""
    """The interface whose settings in systemd-resolved matter; "" for none."""


def wanted(profile: Profile, ledger: Ledger) -> Wanted:
    """What `plan` will ask for. Settings of each single interface are read only if forwarding may change them."""
    network = profile.network
    keys = dict.fromkeys([*FORWARDING.values(), "net.ipv4.conf.all.accept_redirects"])
    if uses_policy_routing(network):
        keys[RP_FILTER] = None
    for version, leaf in ((6, "disable_ipv6"), (4, "promote_secondaries"), *own.DEAF_TO):
        keys |= dict.fromkeys(own.link_sysctl(version, link, leaf) for link in (network.interface, "default"))
    for key in (*network.sysctls, *ledger.originals):
        keys |= {key: None, own.default_sysctl(key, network.interface): None}
    touched = {*network.sysctls, *ledger.originals, *(FORWARDING[version] for version in forwarded_versions(profile))}
    per_link: list[tuple[int, str]] = [(4, "rp_filter")] if uses_policy_routing(network) else []
    versions = [version for version in (4, 6) if FORWARDING[version] in touched]
    per_link += [(version, leaf) for version in versions for leaf in PER_LINK[version]]
    return Wanted(
        tuple(keys),
        tuple(per_link),
        (ledger.owner.table,),
        ruleset=bool(profile.server.listen or forwarded_versions(profile)),
        resolved=network.interface if naming(profile) is not None or ledger.resolved else "",
    )


def wanted_too(known: Wanted, held: Held, asked: Mapping[str, Sequence[str]]) -> Wanted:
    """The same with what plugins asked for, and what was changed for plugins before. Raises PluginFault."""
    settings = (*known.sysctls, *asked_settings(asked), *held.things("sysctl.set"))
    tables = (*known.tables, *(table_of(plugin, known.tables[0]) for plugin in asked), *held.things("nft.replace"))
    return replace(known, sysctls=tuple(dict.fromkeys(settings)), tables=tuple(dict.fromkeys(tables)))
