"""Reading a host in one go."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from appliance.api.planning import HostState
from appliance.errors import ApplianceError, MissingPrivilege
from appliance.linux import addresses, interfaces, iptables, machine, nftables, resolv_conf, resolved, routes, rules, sysctl
from appliance.linux.netlink import Netlink
from appliance.planning import own
from appliance.planning.resolv_conf import asks_resolved
from appliance.planning.wanted import Wanted


async def observe(wanted: Wanted, netlink: Netlink) -> HostState:
    """The host as it is now: all interfaces, addresses, routes and rules, and the settings and tables that `wanted` names.

    Reading needs no privilege, except for nftables tables: without it they count as absent.
    """
    found_links = await interfaces.read(netlink)
    names = {link["index"]: name for name, link in found_links.items()}
    keys = [*wanted.sysctls]
    keys += [own.link_sysctl(version, link, leaf) for version, leaf in wanted.link_sysctls for link in ("default", *found_links)]
    nft = nftables.tool()
    return HostState(
        links=found_links,
        addresses=await addresses.read(netlink, names),
        routes=await routes.read(netlink, names),
        rules=await rules.read(netlink),
        sysctls={key: value for key in keys if (value := sysctl.read(key)) is not None},
        tables=await _tables(wanted) if nft else {},
        tools={"nft": nft} if nft else {},
        cores=machine.usable_cores(),
        ruleset=await _ruleset() if wanted.ruleset else (),
        resolver=await _resolver(wanted),
    )


async def _resolver(wanted: Wanted) -> dict[str, Any]:
    found = resolv_conf.observe()
    asks = asks_resolved(found["text"] or "") and found["obstacle"] != resolv_conf.SHARED
    return found | {"resolved": await resolved.read(wanted.resolved) if wanted.resolved and asks else None}


async def _ruleset() -> list[dict[str, Any]]:
    """The firewalls of everybody, as far as this process may see them. They only serve for advice, so a failure does not
    matter."""
    found = await iptables.read()
    if nftables.tool():
        with suppress(ApplianceError):
            found += await nftables.read_all()
    return found


async def _tables(wanted: Wanted) -> dict[str, Any]:
    found = {}
    for table in wanted.tables:
        try:
            ruleset = await nftables.read(table)
        except MissingPrivilege:
            continue
        if ruleset is not None:
            found[table] = ruleset
    return found
