"""Policy routing rules."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Mapping
from typing import Any

from appliance.linux.netlink import Netlink

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
VERSIONS = {socket.AF_INET: 4, socket.AF_INET6: 6}
NO_SUPPRESSION = 0xFFFFFFFF
TO_TABLE = 1
THERE = frozenset({errno.EEXIST})
GONE = frozenset({errno.ENOENT})
KEYS = ("family", "priority", "from", "to", "fwmark", "table", "protocol")


async def read(netlink: Netlink) -> list[dict[str, Any]]:
    """[{family: 4 | 6, priority, from, to, iif, oif, fwmark, fwmask, table, action, protocol, suppress_prefixlength, invert}]."""
    return [_rule(message) for message in await netlink.dump("rule") if message["family"] in VERSIONS]


async def add(netlink: Netlink, args: Mapping[str, Any]) -> None:
    """Add a rule; nothing happens when the same is there already."""
    await netlink.request("rule", "add", tolerate=THERE, doing=f"adding the rule {args['priority']}", **_fields(args))


async def remove(netlink: Netlink, args: Mapping[str, Any]) -> None:
    """Remove a rule; nothing happens when it is gone already."""
    # Asked to delete, the kernel takes any rule that matches what is given, and what is absent matches everything.
    wanted = [args.get(key) for key in KEYS]
    if any([rule[key] for key in KEYS] == wanted for rule in await read(netlink)):
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
            prefix = ipaddress.ip_network(args[key])
            fields |= {name: str(prefix.network_address), f"{name}_len": prefix.prefixlen}
    if args.get("fwmark") is not None:
        fields["fwmark"] = args["fwmark"]
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
        "invert": bool(message["flags"] & 2),
    }
