"""Routes, of every table."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Mapping
from typing import Any

from appliance.linux import interfaces
from appliance.linux.netlink import Netlink

# linux/rtnetlink.h
RTM_F_CLONED = 0x200
SCOPE_UNIVERSE = 0
SCOPE_LINK = 253
SCOPE_ANY = 255  # RT_SCOPE_NOWHERE: a deletion then matches every scope
TYPES = {
    1: "unicast",
    2: "local",
    3: "broadcast",
    4: "anycast",
    5: "multicast",
    6: "blackhole",
    7: "unreachable",
    8: "prohibit",
    9: "throw",
    10: "nat",
}
EVERYWHERE = {socket.AF_INET: "0.0.0.0/0", socket.AF_INET6: "::/0"}
NOWHERE = frozenset({"blackhole", "unreachable", "prohibit", "throw"})
"""Routes that have no interface. (For those of IPv6 the kernel names the loopback.)"""
THERE = frozenset({errno.EEXIST})
GONE = frozenset({errno.ESRCH, errno.ENODEV})


async def read(netlink: Netlink, names: Mapping[int, str]) -> list[dict[str, Any]]:
    """[{destination, via, link, table, metric, protocol, source, type}]. A route over several next hops also has `hops`."""
    return [
        _route(message, names)
        for message in await netlink.dump("route")
        if message["family"] in EVERYWHERE and not message["flags"] & RTM_F_CLONED
    ]


async def add(netlink: Netlink, args: Mapping[str, Any]) -> None:
    """Add a route. Nothing happens if there is one to the same destination already; `verify` tells whether that is the same."""
    nowhere = args.get("type") in NOWHERE
    number = None if nowhere else interfaces.require(args["link"])
    # As ip(8) does: only what is on the link can have gateways resolved over it.
    scope = SCOPE_UNIVERSE if nowhere or args.get("via") else SCOPE_LINK
    fields = _fields(args, number)
    await netlink.request(
        "route", "add", tolerate=THERE, doing=f"adding the route to {args['destination']}", **fields, scope=scope
    )


async def remove(netlink: Netlink, args: Mapping[str, Any]) -> None:
    """Remove a route. Nothing happens if it is gone already."""
    nowhere = args.get("type") in NOWHERE
    number = None if nowhere else interfaces.index(args["link"])
    if nowhere or number is not None:
        await netlink.request(
            "route",
            "del",
            tolerate=GONE,
            doing=f"removing the route to {args['destination']}",
            **_fields(args, number),
            scope=SCOPE_ANY,
        )


def _fields(args: Mapping[str, Any], index: int | None) -> dict[str, Any]:
    destination = ipaddress.ip_network(args["destination"])
    fields: dict[str, Any] = {
        "family": socket.AF_INET if destination.version == 4 else socket.AF_INET6,
        "dst": str(destination),
        "table": args["table"],
        "proto": args["protocol"],
        "priority": args["metric"],
    }
    if index is None:
        fields["type"] = args["type"]
    else:
        fields["oif"] = index
    if args.get("via"):
        fields["gateway"] = args["via"]
    return fields


def _route(message: Any, names: Mapping[int, str]) -> dict[str, Any]:
    attr = message.get_attr
    destination = f"{attr('RTA_DST')}/{message['dst_len']}" if attr("RTA_DST") else EVERYWHERE[message["family"]]
    kind = TYPES.get(message["type"], str(message["type"]))
    route = {
        "destination": destination,
        "via": attr("RTA_GATEWAY"),
        "link": None if kind in NOWHERE else names.get(attr("RTA_OIF")),
        "table": attr("RTA_TABLE") or message["table"],
        "metric": attr("RTA_PRIORITY") or 0,
        "protocol": message["proto"],
        "source": attr("RTA_PREFSRC"),
        "type": kind,
    }
    if hops := attr("RTA_MULTIPATH"):
        route["hops"] = [[names.get(hop["oif"]), hop.get_attr("RTA_GATEWAY")] for hop in hops]
    return route
