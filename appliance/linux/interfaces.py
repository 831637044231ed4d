"""Network interfaces: reading them, setting MTU, GSO size, queue and state, deleting."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from appliance.errors import HostError
from appliance.linux import namespaces
from appliance.linux.netlink import Netlink

IFF_UP = 1
IFLA_TUN_TYPE_TUN = 1
GONE = frozenset({errno.ENODEV})
_SETTINGS = {"mtu": "mtu", "gso_max_size": "gso_max_size", "tx_queue_len": "txqlen"}
"""What pyroute2 calls them."""
STATISTICS = Path("/proc/thread-self/net/dev")
_DROPPED_ON_THE_WAY_OUT = 11
"""The column of dropped packets among the counters of what was sent (proc(5))."""


async def read(netlink: Netlink) -> dict[str, dict[str, Any]]:
    """Name -> {index, kind, mtu, up, address, gso_max_size, tx_queue_len, tun}. `tun` is None, or {type, persist, vnet_hdr, pi,
    multi_queue, owner, group, queues}: owner and group are None if everybody may open the device, and `queues` is how often a
    device with several queues is open."""
    return {str(message.get_attr("IFLA_IFNAME")): _link(message) for message in await netlink.dump("link")}


def dropped(name: str) -> int:
    """Packets that the kernel dropped on their way out by this interface, since it was made; 0 if there is no such interface."""
    for line in STATISTICS.read_text().splitlines():
        interface, _, figures = line.strip().partition(":")
        if interface == name:
            return int(figures.split()[_DROPPED_ON_THE_WAY_OUT])
    return 0


def index(name: str) -> int | None:
    """The interface's number; None if there is no such interface."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None


def require(name: str) -> int:
    """The interface's number. Raises HostError if there is no such interface."""
    found = index(name)
    if found is None:
        raise HostError(f"there is no interface {name}", hint="look with: ip link")
    return found


async def change(netlink: Netlink, args: Mapping[str, Any]) -> None:
    """Set those of `mtu`, `gso_max_size`, `tx_queue_len` and `up` that are given, of the interface `name`."""
    fields = {name: args[key] for key, name in _SETTINGS.items() if args.get(key) is not None}
    if args.get("up") is not None:
        fields["state"] = "up" if args["up"] else "down"
    number = require(args["name"])
    await netlink.request("link", "set", doing=f"changing the interface {args['name']}", index=number, **fields)


async def delete(netlink: Netlink, name: str) -> None:
    """Remove the interface. Nothing happens if it is gone already."""
    number = index(name)
    if number is not None:
        await netlink.request("link", "del", tolerate=GONE, doing=f"removing the interface {name}", index=number)


def _link(message: Any) -> dict[str, Any]:
    info = message.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info is not None else None
    data = info.get_attr("IFLA_INFO_DATA") if kind == "tun" else None
    return {
        "index": message["index"],
        "kind": kind or "",
        "mtu": message.get_attr("IFLA_MTU"),
        "up": bool(message["flags"] & IFF_UP),
        "address": message.get_attr("IFLA_ADDRESS") or "",
        "gso_max_size": message.get_attr("IFLA_GSO_MAX_SIZE"),
        "tx_queue_len": message.get_attr("IFLA_TXQLEN"),
        "tun": None if data is None else _tun(data),
    }


def _tun(data: Any) -> dict[str, Any]:
    return {
        "type": "tun" if data.get_attr("IFLA_TUN_TYPE") == IFLA_TUN_TYPE_TUN else "tap",
        "persist": bool(data.get_attr("IFLA_TUN_PERSIST")),
        "vnet_hdr": bool(data.get_attr("IFLA_TUN_VNET_HDR")),
        "pi": bool(data.get_attr("IFLA_TUN_PI")),
        "multi_queue": bool(data.get_attr("IFLA_TUN_MULTI_QUEUE")),
        "owner": _or_root(data.get_attr("IFLA_TUN_OWNER"), namespaces.first_user),
        "group": _or_root(data.get_attr("IFLA_TUN_GROUP"), namespaces.first_group),
        "queues": (data.get_attr("IFLA_TUN_NUM_QUEUES") or 0) + (data.get_attr("IFLA_TUN_NUM_DISABLED_QUEUES") or 0),
    }


def _or_root(who: int | None, first: Callable[[], int]) -> int | None:
    """As a plan names it: root, also where somebody stands for root."""
    return 0 if who is not None and who == first() else who
