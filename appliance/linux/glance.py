"""One interface at a glance, as the kernel has it, without pyroute2: for `status`, which is asked often and must not wait.

struct ifreq { char name[16]; u16 flags | i32 mtu; … }                                linux/if.h
"""

from __future__ import annotations

import fcntl
import socket
import struct
from typing import NamedTuple

from appliance.linux.address_dump import addresses

SIOCGIFFLAGS, SIOCGIFMTU = 0x8913, 0x8921
IFF_UP = 1

_ifreq = struct.Struct("16sI20x")


class Interface(NamedTuple):
    """What the kernel says of an interface; not `there`: it has none of that name."""

    there: bool = False
    up: bool = False
    mtu: int = 0
    addresses: tuple[str, ...] = ()


def look(name: str) -> Interface:
    """The interface now."""
    try:
        index = socket.if_nametoindex(name)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            flags = _ask(asking, SIOCGIFFLAGS, name) & 0xFFFF
            mtu = _ask(asking, SIOCGIFMTU, name)
        found = tuple(entry["address"] for entry in addresses(index))
        return Interface(there=True, up=bool(flags & IFF_UP), mtu=mtu, addresses=found)
    except OSError:  # it went while we looked
        return Interface()


def is_there(name: str) -> bool:
    """Is there an interface of that name?"""
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def _ask(sock: socket.socket, what: int, name: str) -> int:
    return int(_ifreq.unpack(fcntl.ioctl(sock, what, _ifreq.pack(name.encode(), 0)))[1])
