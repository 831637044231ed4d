"""Asking a router for a port: messages of PCP (RFC 6887, sections 7 and 11) and NAT-PMP (RFC 6886, section 3), for UDP alone.

PCP       0   1     2        4              8                  24
request | 2 | 1   | 0      | lifetime u32 | client's address | port
answer  | 2 | 129 | 0 code | lifetime u32 | epoch u32, 0 ×12 | port      port: nonce 12 | 17 | 0 ×3 | internal u16 | external u16
                                                                               | external address 16

NAT-PMP 0   1        2          4              6              8              12
request | 0 | 1      | 0        | internal u16 | external u16 | lifetime u32 |
answer  | 0 | 129    | code u16 | epoch u32                   | internal u16, external u16 | lifetime u32 |
request | 0 | 0      |  answer  | 0 | 128 | code u16 | epoch u32 | external address 4 |

Anybody in the router's network may have written an answer. It only tells where others may try to reach this node.
"""

from __future__ import annotations

import ipaddress
import struct
from enum import IntEnum
from typing import Final, NamedTuple

PORT: Final = 5351
"""Where routers listen, for either protocol."""
NONCE_BYTES: Final = 12
UDP: Final = 17
MAX_ANSWER_BYTES: Final = 1100
"""RFC 6887, section 7: the longest message."""
PCP, NAT_PMP = 2, 0
"""Versions: the first byte of either."""
MAP, ADDRESS = 1, 0
IS_ANSWER: Final = 0x80

_pcp_request = struct.Struct("!BBxxI16s")
_pcp_answer = struct.Struct("!BBxBII12x")
_pcp_map = struct.Struct("!12sB3xHH16s")
_pmp_request = struct.Struct("!BBxxHHI")
_pmp_answer = struct.Struct("!BBHIHHI")
_pmp_address = struct.Struct("!BBHI4s")


class Code(IntEnum):
    """Results that matter here. Both protocols mean the same by the first three."""

    SUCCESS = 0
    UNSUPPORTED_VERSION = 1
    NOT_AUTHORIZED = 2
    NETWORK_FAILURE = 3
    """NAT-PMP: the router has no address itself yet. (PCP means a malformed request, which ours is not.)"""


class Mapped(NamedTuple):
    """What a router answered to a request for a port."""

    version: int
    """PCP or NAT_PMP."""
    code: int
    """A `Code`, or another number; 0 is success."""
    epoch: int
    """Seconds since the router lost its mappings."""
    lifetime: int
    """Seconds for which the mapping lasts, or for which the error does."""
    internal: int
    external: int
    """Ports: this host's and the router's. 0 in an error of NAT-PMP."""
    address: str
    """The router's outer address; "" in NAT-PMP, which says it in another message."""
    nonce: bytes
    """That of the request; empty in NAT-PMP."""


class Address(NamedTuple):
    """What a router answered to the question of NAT-PMP for its outer address."""

    code: int
    epoch: int
    address: str


def pcp_request(client: str, nonce: bytes, internal: int, external: int, lifetime: int) -> bytes:
    """Ask for UDP port `external` (0: any) to be passed to `internal` of `client`, an address literal of this host. `lifetime` 0
    takes the mapping back."""
    anywhere = "::" if ipaddress.ip_address(client).version == 6 else "0.0.0.0"
    wanted = _pcp_map.pack(nonce, UDP, internal, external, _sixteen(anywhere))
    return _pcp_request.pack(PCP, MAP, lifetime, _sixteen(client)) + wanted


def pmp_request(internal: int, external: int, lifetime: int) -> bytes:
    """The same in NAT-PMP."""
    return _pmp_request.pack(NAT_PMP, MAP, internal, external, lifetime)


def pmp_address_request() -> bytes:
    """The question of NAT-PMP for the router's outer address."""
    return bytes((NAT_PMP, ADDRESS))


def decode(message: bytes) -> Mapped | Address | None:
    """An answer of a router; None if it is none."""
    if len(message) > MAX_ANSWER_BYTES or len(message) < _pmp_address.size - 4 or not message[1] & IS_ANSWER:
        return None
    version, operation = message[0], message[1] & ~IS_ANSWER
    if version == PCP and operation == MAP and len(message) >= _pcp_answer.size:
        return _decode_pcp(message)
    if version != NAT_PMP:
        return None
    if operation == ADDRESS and len(message) >= _pmp_address.size:
        _, _, code, epoch, address = _pmp_address.unpack_from(message)
        return Address(code, epoch, str(ipaddress.IPv4Address(address)))
    if operation == MAP and len(message) >= _pmp_answer.size:
        _, _, code, epoch, internal, external, lifetime = _pmp_answer.unpack_from(message)
        return Mapped(NAT_PMP, code, epoch, lifetime, internal, external, "", b"")
    # RFC 6886, section 3.5: a router that knows only a newer or older version answers with an error of its own length
    code = struct.unpack_from("!H", message, 2)[0]
    return Mapped(NAT_PMP, code, 0, 0, 0, 0, "", b"") if code else None


def _decode_pcp(message: bytes) -> Mapped | None:
    _, _, code, lifetime, epoch = _pcp_answer.unpack_from(message)
    if len(message) < _pcp_answer.size + _pcp_map.size:
        return Mapped(PCP, code, epoch, lifetime, 0, 0, "", b"") if code else None
    nonce, protocol, internal, external, address = _pcp_map.unpack_from(message, _pcp_answer.size)
    if protocol != UDP:
        return None
    found = ipaddress.IPv6Address(address)
    return Mapped(PCP, code, epoch, lifetime, internal, external, str(found.ipv4_mapped or found), nonce)


def _sixteen(address: str) -> bytes:
    """An address in 16 bytes: one of IPv4 is mapped (RFC 6887, section 5)."""
    found = ipaddress.ip_address(address)
    return found.packed if found.version == 6 else bytes(10) + b"\xff\xff" + found.packed
