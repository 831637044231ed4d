"""One interface at a glance, as the kernel has it, without pyroute2: for `status`, which is asked often and must not wait.

struct ifreq     { char name[16]; u16 flags | i32 mtu; … }                            linux/if.h
struct ifaddrmsg { u8 family, prefixlen, flags, scope; u32 index; }                   linux/if_addr.h
"""

from __future__ import annotations

import fcntl
import socket
import struct
from typing import Final, NamedTuple

from appliance.linux.events import attributes, messages

SIOCGIFFLAGS, SIOCGIFMTU = 0x8913, 0x8921
IFF_UP = 1
GET_ADDRESSES: Final = 22
NEW_ADDRESS, DONE = 20, 3
REQUEST_DUMP: Final = 0x301
"""NLM_F_REQUEST | NLM_F_DUMP"""
IFA_ADDRESS, IFA_LOCAL = 1, 2
ROOM: Final = 65536

_ifreq = struct.Struct("16sI20x")
_request = struct.Struct("=IHHIIBBBBI")
_address = struct.Struct("=BBBBI")


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
        return Interface(there=True, up=bool(flags & IFF_UP), mtu=mtu, addresses=_addresses(index))
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


def _addresses(index: int) -> tuple[str, ...]:
    found: list[str] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.send(_request.pack(_request.size, GET_ADDRESSES, REQUEST_DUMP, 1, 0, socket.AF_UNSPEC, 0, 0, 0, 0))
        while True:
            for kind, _, body in messages(sock.recv(ROOM)):
                if kind != NEW_ADDRESS:
                    return tuple(found)
                family, length, _, _, of = _address.unpack_from(body)
                if of == index:
                    given = dict(attributes(body[_address.size :]))
                    own = given.get(IFA_LOCAL) or given[IFA_ADDRESS]
                    found.append(f"{socket.inet_ntop(family, own)}/{length}")
