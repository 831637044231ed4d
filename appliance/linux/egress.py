"""Which way the kernel would send a packet now, with all rules, tables and marks: one question to rtnetlink.

struct rtmsg { u8 family, dst_len, src_len, tos, table, protocol, scope, type; u32 flags; }
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import NamedTuple

from appliance.api import zones
from appliance.linux.rtnetlink import ask, attribute, attributes

RTM_NEWROUTE, RTM_GETROUTE = 24, 26
RTM_F_FIB_MATCH = 0x2000  # answer with the route that matched, not with one to this address only
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_MARK = 1, 4, 5, 16

_rtmsg = struct.Struct("=8BI")
_number = struct.Struct("=I")


class Egress(NamedTuple):
    """How a packet would leave."""

    link: str
    """The interface."""
    prefix: str
    """The prefix of the route that says so."""
    gateway: str = ""
    """The next hop; "" if the address is on the link itself."""


def egress(host: str, mark: int = 0) -> Egress | None:
    """The way to an address literal for packets with `mark`. None if there is none, or if it is not over a single interface."""
    try:
        for kind, body in ask(RTM_GETROUTE, _question(host, mark)):
            return _answer(body) if kind == RTM_NEWROUTE else None
    except OSError:
        pass
    return None


def _question(host: str, mark: int) -> bytes:
    address = ipaddress.ip_address(host)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    question = _rtmsg.pack(family, address.max_prefixlen, 0, 0, 0, 0, 0, 0, RTM_F_FIB_MATCH)
    question += attribute(RTA_DST, address.packed) + attribute(RTA_MARK, _number.pack(mark))
    if interface := zones.split(host)[1]:
        question += attribute(RTA_OIF, _number.pack(interface))
    return question


def _answer(body: bytes) -> Egress | None:
    family, length, *_ = _rtmsg.unpack_from(body)
    found = dict(attributes(body[_rtmsg.size :]))
    if RTA_OIF not in found:  # a route over several next hops
        return None
    nothing = bytes(4 if family == socket.AF_INET else 16)
    prefix = f"{socket.inet_ntop(family, found.get(RTA_DST, nothing))}/{length}"
    gateway = socket.inet_ntop(family, found[RTA_GATEWAY]) if RTA_GATEWAY in found else ""
    return Egress(socket.if_indextoname(*_number.unpack(found[RTA_OIF])), prefix, gateway)
