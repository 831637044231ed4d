"""Performing actions, and checking on the kernel that they took hold. The verbs and their arguments stand in docs/plan.md.

Every verb brings about a state and does nothing when the host is in it already, so that an interrupted run can be repeated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from appliance.api.planning import Action
from appliance.errors import HostError
from appliance.linux import addresses, links, nftables, routes, rules, sysctl, tun
from appliance.linux.netlink import Netlink
from appliance.planning.ruleset import same

PATIENCE = 3.0
"""Seconds for the kernel to show a change. It shows nearly all at once; removing an interface can take one RCU grace period."""
LOOK_AGAIN = 0.1
"""Seconds after which we look again even without a netlink event, since settings and tables send none."""


async def perform(action: Action, netlink: Netlink) -> None:
    """Do it. Raises HostError or MissingPrivilege when the kernel refuses, and for a verb that is none of ours."""
    try:
        deed = _DEEDS[action.verb]
    except KeyError:
        raise HostError(f"nobody here can perform {action.verb!r}") from None
    await deed(netlink, action.args)


async def verify(fact: Action, netlink: Netlink) -> bool:
    """Does the kernel show the fact now?"""
    check = _CHECKS[fact.verb]
    return await check(netlink, fact.args) is bool(fact.args["present"])


async def verify_patiently(fact: Action, netlink: Netlink) -> bool:
    """Does the kernel show the fact, if need be after a moment? Looks again at each netlink event."""
    if await verify(fact, netlink):
        return True
    await netlink.listen()
    for _ in range(int(PATIENCE / LOOK_AGAIN)):
        if await verify(fact, netlink):
            return True
        await netlink.changed(LOOK_AGAIN)
    return await verify(fact, netlink)


async def _create_tun(_netlink: Netlink, args: Mapping[str, Any]) -> None:
    tun.create(args["name"], multi_queue=bool(args.get("multi_queue")))


async def _delete_link(netlink: Netlink, args: Mapping[str, Any]) -> None:
    await links.delete(netlink, args["name"])


async def _set_sysctl(_netlink: Netlink, args: Mapping[str, Any]) -> None:
    sysctl.write(args)


async def _replace_table(_netlink: Netlink, args: Mapping[str, Any]) -> None:
    if args["ruleset"] is not None or nftables.tool():
        await nftables.replace(args)


async def _has_link(netlink: Netlink, args: Mapping[str, Any]) -> bool:
    link = (await links.read(netlink)).get(args["name"])
    settings = {key: args[key] for key in ("mtu", "gso_max_size", "up") if args.get(key) is not None}
    return link is not None and all(link[key] == value for key, value in settings.items())


async def _has_address(netlink: Netlink, args: Mapping[str, Any]) -> bool:
    number = await links.index(netlink, args["link"])
    found = await addresses.read(netlink, {number: args["link"]}) if number is not None else []
    return any(entry["address"] == args["address"] for entry in found)


async def _has_route(netlink: Netlink, args: Mapping[str, Any]) -> bool:
    return await routes.present(netlink, args)


async def _has_rule(netlink: Netlink, args: Mapping[str, Any]) -> bool:
    return await rules.present(netlink, args)


async def _has_sysctl(_netlink: Netlink, args: Mapping[str, Any]) -> bool:
    settings = [(args["key"], args["value"]), *args.get("then", ())]
    return all(sysctl.read(key) in {value, None} for key, value in settings)


async def _has_table(_netlink: Netlink, args: Mapping[str, Any]) -> bool:
    return same(await nftables.read(args["table"]) if nftables.tool() else None, args["ruleset"])


_DEEDS: dict[str, Callable[[Netlink, Mapping[str, Any]], Awaitable[None]]] = {
    "tun.create": _create_tun,
    "link.set": links.change,
    "link.delete": _delete_link,
    "address.add": addresses.add,
    "address.remove": addresses.remove,
    "route.add": routes.add,
    "route.remove": routes.remove,
    "rule.add": rules.add,
    "rule.remove": rules.remove,
    "sysctl.set": _set_sysctl,
    "nft.replace": _replace_table,
}
_CHECKS: dict[str, Callable[[Netlink, Mapping[str, Any]], Awaitable[bool]]] = {
    "link": _has_link,
    "address": _has_address,
    "route": _has_route,
    "rule": _has_rule,
    "sysctl": _has_sysctl,
    "nft": _has_table,
}
