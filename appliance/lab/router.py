"""One router of a running lab: a namespace that passes packets on under the rules of its kind."""

from __future__ import annotations

import socket
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from appliance.errors import HostError
from appliance.lab import network
from appliance.lab.definition import RouterEntry
from appliance.lab.layout import End, Route
from appliance.lab.namespace import COMMAND_SECONDS, Namespace, ip
from appliance.lab.nat import Box, ruleset

NFNL_SUBSYS_CTNETLINK: Final = 1
IPCTNL_MSG_CT_DELETE: Final = 2
NETLINK_NETFILTER: Final = 12
NLM_F_REQUEST_ACK: Final = 0x5
"""linux/netlink.h, linux/netfilter/nfnetlink.h, nfnetlink_conntrack.h."""


class Router:
    """A router, as the lab and its steps see it. The lab makes it."""

    def __init__(self, name: str, entry: RouterEntry, namespace: Namespace) -> None:
        self.name = name
        self.entry = entry
        self.namespace = namespace
        self._rules = ""

    def create(self) -> None:
        """Make the namespace, and make it forward. To be called before its wires are laid. Raises HostError."""
        self.namespace.create()
        settings = {
            "net/ipv4/ip_forward": 1,
            "net/ipv6/conf/all/forwarding": 1,
            "net/ipv6/conf/default/accept_dad": 0,
            "net/netfilter/nf_conntrack_udp_timeout": int(self.entry.mapping),
            "net/netfilter/nf_conntrack_udp_timeout_stream": int(self.entry.mapping),
        }
        self.namespace.call(_set, settings)

    def attach(self, end: End, mtu: int) -> None:
        """Take up the end of a wire. Raises HostError."""
        network.set_up(self.ip, end, mtu, is_router=True)

    def set_routes(self, routes: Sequence[Route]) -> None:
        """Add routes, or change them. Raises HostError."""
        network.set_routes(self.ip, routes)

    def ip(self, *words: str) -> str:
        """What ip(8) prints inside. Raises HostError with what it complained of."""
        return ip(*words, namespace=self.namespace.name)

    def load(self, box: Box) -> None:
        """Load the rules of its kind. To be called when its wires have addresses. Raises HostError."""
        self._rules = ruleset(self.entry.nat, box)
        self._feed(self._rules)

    def flush(self) -> None:
        """Forget every mapping, as a home router does that is switched off and on. Raises HostError."""
        self._feed(self._rules)
        self.namespace.call(_flush_conntrack)

    def remove(self) -> None:
        """Remove the namespace and all that is in it. Raises HostError."""
        self.namespace.delete()

    def _feed(self, rules: str) -> None:
        command = self.namespace.enter(["nft", "-f", "-"])
        try:
            done = subprocess.run(
                command,
                input=rules,
                capture_output=True,
                text=True,
                check=False,
                timeout=COMMAND_SECONDS,
                start_new_session=True,  # a Ctrl-C is for the lab
            )
        except FileNotFoundError:
            raise HostError("there is no program nft here", hint="install it: apt install nftables") from None
        if done.returncode:
            raise HostError(
                f"the rules of {self.name} ({self.entry.nat}) are refused: {done.stderr.strip()[:500]}",
                hint="without root, nft can use only what the kernel has loaded already: run the lab as root once",
            )


def _set(settings: dict[str, int]) -> None:
    for key, value in settings.items():
        path = Path("/proc/sys") / key
        if path.exists():  # no conntrack settings before its module, no IPv6 in some kernels
            path.write_text(f"{value}\n")


def _flush_conntrack() -> None:
    """Delete every connection that this namespace tracks: a delete without attributes means all."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        body = struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)
        kind = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE
        netlink.send(struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST_ACK, 1, 0) + body)
        answer = netlink.recv(4096)
    error = -struct.unpack_from("=i", answer, 16)[0]
    if error:
        raise OSError(error, "the mappings cannot be flushed")
