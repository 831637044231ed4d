"""Policy routing rules."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Mapping
from typing import Any

from appliance.linux.netlink import Netlink
from appliance.planning import own

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
VERSIONS = {socket.AF_INET: 4, socket.AF_INET6: 6}
NO_SUPPRESSION = 0xFFFFFFFF
TO_TABLE = 1
THERE = frozenset({errno.EEXIST})
GONE = frozenset({errno.ENOENT})
INVERTED = 2  # FIB_RULE_INVERT


async def read(netlink: Netlink) -> list[dict[str, Any]]:
    """[{family: 4 | 6, priority, from, to, iif, oif, fwmark, fwmask, table, action, protocol, suppress_prefixlength, invert}]."""
    return [_rule(message) for message in await netlink.dump("rule") if message["family"] in VERSIONS]


async def add(netlink: Netlink, args: Mapping[str, Any]) -> None:
    """Add a rule. Nothing happens if the same is there already."""
    await netlink.request("rule", "add", tolerate=THERE, doing=f"adding the rule {args['priority']}", **_fields(args))


async def remove(netlink: Netlink, args: Mapping[str, Any]) -> None:
    """Remove a rule. Nothing happens if it is gone already."""
    # Asked to delete, the kernel takes any rule that matches what is given, and what is absent matches everything.
    if any(own.rule_key(rule) == own.rule_key(args) for rule in await read(netlink)):
        await netlink.request("rule", "del", tolerate=GONE, doing=f"removing the rule {args['priority']}", **_fields(args))


def _fields(args: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "family": FAMILIES[args["family"]],
        "priority": args["priority"],
        "table": args["table"],
        "protocol": args["protocol"],
    }
    for key, name in (("from", "src"), ("to", "dst")):
        if args.get(key):
            # With its length: a lone 0.0.0.0 or :: is "any address" to pyroute2, so 0.0.0.0/1 would lose its address.
            fields |= {name: str(ipaddress.ip_network(args[key]))}
    if args.get("fwmark") is not None:
        fields["fwmark"] = args["fwmark"]
    if args.get("suppress_prefixlength") is not None:
        fields["suppress_prefixlen"] = args["suppress_prefixlength"]
    if args.get("invert"):
        fields["flags"] = INVERTED
    return fields


def _rule(message: Any) -> dict[str, Any]:
    attr = message.get_attr
    suppress = attr("FRA_SUPPRESS_PREFIXLEN")
    return {
        "family": VERSIONS[message["family"]],
        "priority": attr("FRA_PRIORITY") or 0,
        "from": f"{attr('FRA_SRC')}/{message['src_len']}" if attr("FRA_SRC") else None,
        "to": f"{attr('FRA_DST')}/{message['dst_len']}" if attr("FRA_DST") else None,
        "iif": attr("FRA_IIFNAME"),
        "oif": attr("FRA_OIFNAME"),
        "fwmark": attr("FRA_FWMARK"),
        "fwmask": attr("FRA_FWMASK"),
        "table": attr("FRA_TABLE") or message["table"],
        "action": "lookup" if message["action"] == TO_TABLE else str(message["action"]),
        "protocol": attr("FRA_PROTOCOL") or 0,
        "suppress_prefixlength": None if suppress in {None, NO_SUPPRESSION} else suppress,
        "invert": bool(message["flags"] & INVERTED),
    }
