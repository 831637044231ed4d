"""Performing actions, and checking that the kernel shows their effect. docs/plan.md has the verbs and their arguments.

Every verb brings about a state, and does nothing if the host is in that state already. So an interrupted run can be repeated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from appliance.api.planning import Action
from appliance.errors import HostError
from appliance.linux import addresses, interfaces, nftables, resolv_conf, resolved, routes, rules, sysctl, tun
from appliance.linux.look import Look
from appliance.linux.netlink import Netlink
from appliance.planning import own
from appliance.planning.ruleset import same

PATIENCE = 3.0
"""Seconds for the kernel to show a change. It shows nearly all at once; removing an interface can take one RCU grace period."""
LOOK_AGAIN = 0.1
"""Seconds after which we look again without a netlink event: settings and tables send none."""


async def perform(action: Action, netlink: Netlink) -> None:
    """Perform the action. Raises HostError or MissingPrivilege if the kernel refuses, and HostError if the verb is not one of
    ours."""
    try:
        deed = _DEEDS[action.verb]
    except KeyError:
        raise HostError(f"nobody here can perform {action.verb!r}") from None
    await deed(netlink, action.args)


async def verify(fact: Action, netlink: Netlink) -> bool:
    """Does the kernel show the fact now?"""
    return not await _missing([fact], netlink)


async def verify_patiently(facts: Sequence[Action], netlink: Netlink) -> Sequence[Action]:
    """The facts that the kernel does not show, even after a moment; empty if all is well. Looks again at each netlink event."""
    missing = await _missing(facts, netlink)
    if missing:
        await netlink.listen()
        for _ in range(int(PATIENCE / LOOK_AGAIN)):
            missing = await _missing(missing, netlink)
            if not missing:
                break
            await netlink.changed(LOOK_AGAIN)
    return missing


async def _missing(facts: Sequence[Action], netlink: Netlink) -> list[Action]:
    look = Look(netlink)
    return [fact for fact in facts if await _CHECKS[fact.verb](look, fact.args) is not bool(fact.args["present"])]


async def _create_tun(netlink: Netlink, args: Mapping[str, Any]) -> None:
    fresh = interfaces.index(args["name"]) is None
    tun.create(args["name"], multi_queue=bool(args.get("multi_queue")), owner=args.get("owner"), group=args.get("group"))
    if fresh:
        await _refuse_strangers(netlink, args["name"])


async def _own_tun(netlink: Netlink, args: Mapping[str, Any]) -> None:
    link = (await interfaces.read(netlink)).get(args["name"])
    if link is None or link["tun"] is None:
        raise HostError(f"{args['name']} is no TUN device", hint="look with: ip -d link")
    was_open = link["tun"]["owner"] is None
    tun.create(args["name"], multi_queue=link["tun"]["multi_queue"], owner=args["owner"], group=args.get("group"))
    if was_open:
        await _refuse_strangers(netlink, args["name"])


async def _refuse_strangers(netlink: Netlink, name: str) -> None:
    """Before a new device had an owner, anybody could have opened a queue of it, and would keep it."""
    if (await interfaces.read(netlink))[name]["tun"]["queues"]:
        raise HostError(
            f"another program has opened the TUN device {name} before it belonged to root",
            hint="somebody on this host wants to read its traffic: find out who has /dev/net/tun open (lsof), end it, try again",
        )


async def _delete_link(netlink: Netlink, args: Mapping[str, Any]) -> None:
    await interfaces.delete(netlink, args["name"])


async def _set_sysctl(_netlink: Netlink, args: Mapping[str, Any]) -> None:
    sysctl.write(args)


async def _replace_table(_netlink: Netlink, args: Mapping[str, Any]) -> None:
    if args["ruleset"] is not None or nftables.tool():
        await nftables.replace(args)


async def _write_resolv_conf(_netlink: Netlink, args: Mapping[str, Any]) -> None:
    resolv_conf.write(args)


async def _set_resolved(_netlink: Netlink, args: Mapping[str, Any]) -> None:
    await resolved.set_link(args)


async def _has_link(look: Look, args: Mapping[str, Any]) -> bool:
    link = (await look.links()).get(args["name"])
    settings = {key: args[key] for key in ("mtu", "gso_max_size", "tx_queue_len", "up") if args.get(key) is not None}
    if link is None or any(link[key] != value for key, value in settings.items()):
        return False
    device = {key: args[key] for key in ("multi_queue", "owner", "group") if args.get(key) is not None}
    return not device or (link["tun"] is not None and all(link["tun"][key] == value for key, value in device.items()))


async def _has_address(look: Look, args: Mapping[str, Any]) -> bool:
    return (args["link"], args["address"]) in await look.addresses()


async def _has_route(look: Look, args: Mapping[str, Any]) -> bool:
    return own.route_key(args) in await look.routes()


async def _has_rule(look: Look, args: Mapping[str, Any]) -> bool:
    return own.rule_key(args) in await look.rules()


async def _has_sysctl(_look: Look, args: Mapping[str, Any]) -> bool:
    settings = [(args["key"], args["value"]), *args.get("then", ())]
    return all(sysctl.read(key) in {value, None} for key, value in settings)


async def _has_table(_look: Look, args: Mapping[str, Any]) -> bool:
    return same(await nftables.read(args["table"]) if nftables.tool() else None, args["ruleset"])


async def _has_resolv_conf(_look: Look, args: Mapping[str, Any]) -> bool:
    return bool(resolv_conf.read() == args["text"])


async def _has_resolved(_look: Look, args: Mapping[str, Any]) -> bool:
    return resolved.same(args, await resolved.read(args["link"]))


_DEEDS: dict[str, Callable[[Netlink, Mapping[str, Any]], Awaitable[None]]] = {
    "tun.create": _create_tun,
    "tun.own": _own_tun,
    "link.set": interfaces.change,
    "link.delete": _delete_link,
    "address.add": addresses.add,
    "address.remove": addresses.remove,
    "route.add": routes.add,
    "route.remove": routes.remove,
    "rule.add": rules.add,
    "rule.remove": rules.remove,
    "sysctl.set": _set_sysctl,
    "nft.replace": _replace_table,
    "resolv_conf.write": _write_resolv_conf,
    "resolved.set": _set_resolved,
}
_CHECKS: dict[str, Callable[[Look, Mapping[str, Any]], Awaitable[bool]]] = {
    "link": _has_link,
    "address": _has_address,
    "route": _has_route,
    "rule": _has_rule,
    "sysctl": _has_sysctl,
    "nft": _has_table,
    "resolv_conf": _has_resolv_conf,
    "resolved": _has_resolved,
}
