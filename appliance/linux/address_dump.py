"""This host's addresses, without pyroute2.

struct ifaddrmsg { u8 family, prefixlen, flags, scope; u32 index; }                   linux/if_addr.h
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

from appliance.linux.addresses import SCOPES
from appliance.linux.rtnetlink import ask, attributes

RTM_NEWADDR, RTM_GETADDR = 20, 22
IFA_ADDRESS, IFA_LOCAL = 1, 2

_ifaddrmsg = struct.Struct("=4BI")


def addresses(of: int = 0) -> list[dict[str, Any]]:
    """As `HostState.addresses`: those of the interface with the number `of`, or of all interfaces (0). Raises OSError if the
    kernel cannot be asked."""
    question = _ifaddrmsg.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
    names: dict[int, str | None] = {}
    answers = (body for kind, body in ask(RTM_GETADDR, question, dump=True) if kind == RTM_NEWADDR)
    return [address for body in answers for address in _address(body, of, names)]


def _address(body: bytes, of: int, names: dict[int, str | None]) -> Iterator[dict[str, Any]]:
    family, length, _, scope, index = _ifaddrmsg.unpack_from(body)
    if of not in {0, index} or family not in {socket.AF_INET, socket.AF_INET6}:
        return
    if index not in names:
        names[index] = _name(index)
    found = dict(attributes(body[_ifaddrmsg.size :]))
    own = found.get(IFA_LOCAL) or found.get(IFA_ADDRESS)  # of a point-to-point address the latter is the far end's
    if own is not None and names[index] is not None:
        text = f"{socket.inet_ntop(family, own)}/{length}"
        yield {"link": names[index], "address": text, "scope": SCOPES.get(scope, str(scope))}


def _name(index: int) -> str | None:
    try:
        return socket.if_indextoname(index)
    except OSError:  # gone meanwhile
        return None
