"""What identifies this host and this network namespace, and what this process may do there."""

from __future__ import annotations

import os
import socket
from pathlib import Path

SO_NETNS_COOKIE = 71
"""asm-generic/socket.h, since Linux 5.14; Python names it from 3.14 on."""
CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN = 10, 12, 13, 21


def boot_id() -> str:
    """A text that is another one after each boot of the kernel."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def netns_cookie() -> int:
    """The kernel's number of this network namespace. It is never used twice between two boots."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        return int.from_bytes(probe.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8), "little")


def usable_cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0))


def may_change_network() -> bool:
    """Has this process the capability CAP_NET_ADMIN?"""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAP_NET_ADMIN & 1)
    return False
