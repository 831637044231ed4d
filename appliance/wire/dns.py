"""Two messages of the Domain Name System: a question for addresses, and the answer's addresses (RFC 1035, section 4; RFC 3596).

    0      2      4       6       8       10      12
    | id   | flags| quest.| answ. | auth. | addit.| question: name, u16 type, u16 class | answers …
    answer: name, u16 type, u16 class, u32 ttl, u16 length, data;  name: (u8 length, label)… 0, or a pointer 0b11 + 14 bits

Anybody may have written an answer. It only tells where to try; the handshake proves who is there.
"""

from __future__ import annotations

import ipaddress
import struct

from appliance.errors import PeerFault
from appliance.wire.faults import Fault

TYPE_A, TYPE_AAAA = 1, 28
CLASS_IN = 1
RECURSION_DESIRED = 0x0100
IS_ANSWER = 0x8000
FAILED = 0x000F  # response code
MOST_ANSWERS = 32
"""Records that are looked at: an honest answer in one datagram has fewer."""
POINTER = 0xC0

_header = struct.Struct("!6H")
_question = struct.Struct("!2H")
_record = struct.Struct("!HHIH")


def question(number: int, name: str, kind: int) -> bytes:
    """The question for the addresses of `name`, of one kind (A or AAAA). Raises ValueError if that is not a DNS name."""
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    if not all(0 < len(label) < 64 for label in labels):
        raise ValueError(f"{name!r} is no DNS name")
    packed = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return _header.pack(number, RECURSION_DESIRED, 1, 0, 0, 0) + packed + _question.pack(kind, CLASS_IN)


def addresses(answer: bytes, asked: bytes) -> list[str]:
    """The addresses in the answer to `asked`; empty if the name has none of that kind. Raises PeerFault if it is not such an
    answer."""
    try:
        return _addresses(answer, asked)
    except (struct.error, IndexError, ValueError) as error:
        raise PeerFault(Fault.MALFORMED) from error


def _addresses(answer: bytes, asked: bytes) -> list[str]:
    number, flags, questions, answers, *_ = _header.unpack_from(answer)
    rest = asked[_header.size :]
    same = answer[_header.size : len(asked)].lower() == rest.lower()
    if number != _header.unpack_from(asked)[0] or not flags & IS_ANSWER or questions != 1 or not same:
        raise ValueError("it answers something else")
    (kind, _) = _question.unpack_from(asked, len(asked) - _question.size)
    found, at = [], len(asked)
    for _ in range(0 if flags & FAILED else min(answers, MOST_ANSWERS)):
        at = _after_name(answer, at)
        of, family, _, length = _record.unpack_from(answer, at)
        at += _record.size
        data = answer[at : at + length]
        if len(data) < length:
            raise ValueError("it ends too soon")
        at += length
        if (of, family) == (kind, CLASS_IN) and len(data) == (4 if kind == TYPE_A else 16):
            found.append(str(ipaddress.ip_address(data)))
    return found


def _after_name(message: bytes, at: int) -> int:
    """Where a name ends. A pointer is not followed: all answers to one question are about its name."""
    while length := message[at]:
        if length >= POINTER:
            return at + 2
        at += 1 + length
    return at + 1
