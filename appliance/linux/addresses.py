"""Addresses of interfaces."""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Mapping
from typing import Any

from appliance.linux import interfaces
from appliance.linux.netlink import Netlink

IFA_F_NODAD = 0x02
"""No other host is on a TUN link, so waiting for duplicate address detection would only delay the address."""
SCOPES = {0: "global", 200: "site", 253: "link", 254: "host"}
THERE = frozenset({errno.EEXIST})
GONE = frozenset({errno.EADDRNOTAVAIL, errno.ENODEV})


async def read(netlink: Netlink, names: Mapping[int, str]) -> list[dict[str, Any]]:
    """[{link, address: "10.8.0.1/24", scope}] in the kernel's order; `names` maps interface numbers to names."""
    return [_address(message, names) for message in await netlink.dump("addr") if message["index"] in names]


async def add(netlink: Netlink, args: Mapping[str, Any]) -> None:
    """Give `link` the `address`. Nothing happens if it has it already."""
    interface = ipaddress.ip_interface(args["address"])
    number = interfaces.require(args["link"])
    await netlink.request(
        "addr",
        "add",
        tolerate=THERE,
        doing=f"adding the address {interface} to {args['link']}",
        index=number,
        address=str(interface.ip),
        prefixlen=interface.network.prefixlen,
        **({"flags": IFA_F_NODAD} if interface.version == 6 else {}),
    )


async def remove(netlink: Netlink, args: Mapping[str, Any]) -> None:
    """Take the `address` from `link`. Nothing happens if either is gone already."""
    interface = ipaddress.ip_interface(args["address"])
    number = interfaces.index(args["link"])
    if number is not None:
        await netlink.request(
            "addr",
            "del",
            tolerate=GONE,
            doing=f"removing the address {interface} from {args['link']}",
            index=number,
            address=str(interface.ip),
            prefixlen=interface.network.prefixlen,
        )


def _address(message: Any, names: Mapping[int, str]) -> dict[str, Any]:
    # IPv4 puts the peer of a point-to-point address into IFA_ADDRESS and our own into IFA_LOCAL.
    own = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    return {
        "link": names[message["index"]],
        "address": str(ipaddress.ip_interface(f"{own}/{message['prefixlen']}")),
        "scope": SCOPES.get(message["scope"], str(message["scope"])),
    }
