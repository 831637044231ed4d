"""How a wire of the lab leads into a guest: a tap device, and a bridge between it and the wire's end in the guest's namespace."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

from appliance.lab.namespace import Namespace, ip

SETTINGS: Final = Path("/proc/sys/net/ipv6/conf")
PLAIN: Final = {
    "stp_state": "0",
    "forward_delay": "0",
    "mcast_snooping": "0",
    "ageing_time": "0",  # with two ports there is nothing to learn
    "group_fwd_mask": "65528",  # pass on what an IEEE bridge keeps, but for the three kinds that Linux never does
}
"""A bridge that is a piece of wire (ip-link(8))."""


def join(namespace: Namespace, device: str, mtu: int) -> str:
    """What `device` in this namespace carries leads into a tap from now on; the tap's name, which `Guest.connect_card` takes.

    `mtu` is the wire's. A guest's card must not have the hardware address of `device`: such frames end in the bridge. Offloads
    pass: whoever sends a large segment, its wire cuts it. Raises HostError.
    """
    number = namespace.call(socket.if_nametoindex, device)
    tap, bridge = f"tap{number}", f"bridge{number}"
    ip("tuntap", "add", tap, "mode", "tap", "vnet_hdr", namespace=namespace.name)
    settings = [word for pair in PLAIN.items() for word in pair]
    ip("link", "add", bridge, "mtu", str(mtu), "type", "bridge", *settings, namespace=namespace.name)
    for each in (bridge, tap, device):
        namespace.call(_be_silent, each)
        master = [] if each == bridge else ["master", bridge]
        ip("link", "set", each, "mtu", str(mtu), *master, "up", namespace=namespace.name)
    return tap


def _be_silent(device: str) -> None:
    """The namespace itself is nobody on the wire."""
    (SETTINGS / device / "disable_ipv6").write_text("1")
