"""Netlink without pyroute2, whose 8 MB a running node does not load: what messages are made of, and a few questions.

struct nlmsghdr { u32 length; u16 type, flags; u32 sequence, port; }         then the body of that type, then attributes
attribute         u16 length | u16 type | value, padded to four bytes
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
TYPE_MASK = 0x3FFF  # NLA_TYPE_MASK
MOST_BYTES = 65536

_header = struct.Struct("=IHHII")
_attribute = struct.Struct("=HH")

LOST = _header.pack(_header.size, 0, 0, 0, 0)
"""Stands for messages that did not fit. Its type is 0, which the kernel does not use."""


def ask(
    kind: int,
    body: bytes,
    *,
    dump: bool = False,
    protocol: int = socket.NETLINK_ROUTE,
    patience: float | None = None,
    acknowledged: bool = False,
) -> Iterator[tuple[int, bytes]]:
    """Types and bodies of the answers; none if the kernel refuses. `acknowledged`: the one answer is an NLMSG_ERROR, whose body
    begins with an errno, negated, or 0. Raises OSError if the kernel cannot be asked, or if an answer
    takes longer than `patience` seconds."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as asking:
        asking.settimeout(patience)
        flags = NLM_F_REQUEST | (NLM_F_DUMP if dump else 0) | (NLM_F_ACK if acknowledged else 0)
        asking.send(_header.pack(_header.size + len(body), kind, flags, 1, 0) + body)
        while True:
            for answer, _, content in messages(asking.recv(MOST_BYTES)):
                if answer in {NLMSG_ERROR, NLMSG_DONE} and not acknowledged:
                    return
                yield answer, content
            if not dump:
                return


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(type, port, body) of each message in one piece of data. The port tells who made the change."""
    at = 0
    while at + _header.size <= len(data):
        length, kind, _, _, port = _header.unpack_from(data, at)
        if length < _header.size:
            return
        yield kind, port, data[at + _header.size : at + length]
        at += (length + 3) & ~3


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, value) of each attribute, the type without its flags."""
    at = 0
    while at + _attribute.size <= len(data):
        length, kind = _attribute.unpack_from(data, at)
        if length < _attribute.size:
            return
        yield kind & TYPE_MASK, data[at + _attribute.size : at + length]
        at += (length + 3) & ~3


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute. The length of `value` is a multiple of four bytes."""
    return _attribute.pack(_attribute.size + len(value), kind) + value
