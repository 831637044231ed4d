"""One interface, as the kernel has it now, without pyroute2: for `status`, which is asked for often and must not wait.

struct ifreq { char name[16]; u16 flags | i32 mtu; … }                                linux/if.h
"""

from __future__ import annotations

import fcntl
import socket
import struct
from typing import NamedTuple

from appliance.linux.address_dump import addresses

SIOCGIFFLAGS, SIOCGIFMTU = 0x8913, 0x8921
IFF_UP, IFF_RUNNING = 0x1, 0x40

_ifreq = struct.Struct("16sI20x")


class Interface(NamedTuple):
    """What the kernel says about an interface."""

    there: bool = False
    """There is an interface of that name. If not, the other fields say nothing."""
    up: bool = False
    mtu: int = 0
    """Bytes."""
    addresses: tuple[str, ...] = ()
    """Each with its prefix length."""


def look(name: str) -> Interface:
    """The interface as it is now."""
    try:
        index = socket.if_nametoindex(name)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            flags = _ask(asking, SIOCGIFFLAGS, name) & 0xFFFF
            mtu = _ask(asking, SIOCGIFMTU, name)
        found = tuple(entry["address"] for entry in addresses(index))
        return Interface(there=True, up=bool(flags & IFF_UP), mtu=mtu, addresses=found)
    except OSError:  # it went while we looked
        return Interface()


def is_up(name: str) -> bool:
    """Is there such an interface, and does it carry packets: switched on, with somebody at the other end?"""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            flags = _ask(asking, SIOCGIFFLAGS, name) & 0xFFFF
    except OSError:
        return False
    return bool(flags & IFF_UP and flags & IFF_RUNNING)


def is_there(name: str) -> bool:
    """Is there an interface of that name?"""
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def _ask(sock: socket.socket, what: int, name: str) -> int:
    return int(_ifreq.unpack(fcntl.ioctl(sock, what, _ifreq.pack(name.encode(), 0)))[1])
