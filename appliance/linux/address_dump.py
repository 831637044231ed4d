"""This host's addresses as they come and go, without pyroute2.

struct ifaddrmsg { u8 family, prefixlen, flags, scope; u32 index; }
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import Any

from appliance.linux.addresses import SCOPES
from appliance.linux.rtnetlink import MOST_BYTES, ask, attributes

RTM_NEWADDR, RTM_GETADDR = 20, 22
IFA_ADDRESS, IFA_LOCAL = 1, 2
RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR = 0x10, 0x100

_ifaddrmsg = struct.Struct("=4BI")


def addresses() -> list[dict[str, Any]]:
    """As `HostState.addresses`. Raises OSError when the kernel cannot be asked."""
    question = _ifaddrmsg.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
    found = (_address(body) for kind, body in ask(RTM_GETADDR, question, dump=True) if kind == RTM_NEWADDR)
    return [address for address in found if address is not None]


def listener() -> socket.socket:
    """A socket that becomes readable when an address comes or goes; `drain` empties it."""
    events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    events.bind((0, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))
    return events


def drain(events: socket.socket) -> None:
    """Forget what is waiting: who is told looks at everything anyway."""
    while True:
        try:
            events.recv(MOST_BYTES)
        except BlockingIOError:
            return
        except OSError:  # ENOBUFS: some were lost, which is as good as one that came
            continue


def _address(body: bytes) -> dict[str, Any] | None:
    family, length, _, scope, index = _ifaddrmsg.unpack_from(body)
    found = dict(attributes(body[_ifaddrmsg.size :]))
    own = found.get(IFA_LOCAL) or found.get(IFA_ADDRESS)  # of a point-to-point address the latter is the far end's
    if own is None or family not in {socket.AF_INET, socket.AF_INET6}:
        return None
    try:
        link = socket.if_indextoname(index)
    except OSError:  # gone meanwhile
        return None
    address = ipaddress.ip_interface((own, length))
    return {"link": link, "address": str(address), "scope": SCOPES.get(scope, str(scope))}
