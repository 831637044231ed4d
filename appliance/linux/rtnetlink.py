"""A few questions to rtnetlink without pyroute2, which is 8 MB that a running node does not have.

struct nlmsghdr { u32 length; u16 type, flags; u32 sequence, port; }         then the body of that type, then attributes
attribute         u16 length | u16 type | value, padded to four bytes
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
MOST_BYTES = 65536

_header = struct.Struct("=IHHII")
_attribute = struct.Struct("=HH")


def ask(kind: int, body: bytes, *, dump: bool = False) -> Iterator[tuple[int, bytes]]:
    """The answers' types and bodies; nothing when the kernel refuses. Raises OSError when it cannot be asked."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asking:
        flags = NLM_F_REQUEST | (NLM_F_DUMP if dump else 0)
        asking.send(_header.pack(_header.size + len(body), kind, flags, 1, 0) + body)
        while True:
            for answer, content in messages(asking.recv(MOST_BYTES)):
                if answer in {NLMSG_ERROR, NLMSG_DONE}:
                    return
                yield answer, content
            if not dump:
                return


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The types and bodies of what came in one piece."""
    at = 0
    while at + _header.size <= len(data):
        length, kind, *_ = _header.unpack_from(data, at)
        if length < _header.size:
            return
        yield kind, data[at + _header.size : at + length]
        at += (length + 3) & ~3


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Types and values."""
    at = 0
    while at + _attribute.size <= len(data):
        length, kind = _attribute.unpack_from(data, at)
        if length < _attribute.size:
            return
        yield kind, data[at + _attribute.size : at + length]
        at += (length + 3) & ~3


def attribute(kind: int, value: bytes) -> bytes:
    """One of them; `value` is a multiple of four bytes long."""
    return _attribute.pack(_attribute.size + len(value), kind) + value
