"""What a small name server reads and writes: one question in, one answer out (RFC 1035, section 4; RFC 6891; RFC 2308).

    0      2      4       6       8       10      12
    | id   | flags| quest.| answ. | auth. | addit.| name, u16 type, u16 class | records …
    record: name, u16 type, u16 class, u32 ttl, u16 length, data
    OPT, among the additional ones: name 0, type 41, class = largest UDP answer, ttl = u8 code, u8 version, u16 flags

Anybody may have written a question. Nothing here follows a compression pointer, so nothing can go in circles.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from appliance.errors import PeerFault
from appliance.wire.dns import CLASS_IN, IS_ANSWER, TYPE_A, TYPE_AAAA
from appliance.wire.faults import Fault

TYPE_SOA, TYPE_PTR, TYPE_OPT, TYPE_ANY = 6, 12, 41, 255
OPCODE: Final = 0x7800
AUTHORITATIVE, TRUNCATED, RECURSION_DESIRED, RECURSION_AVAILABLE, CHECKING_DISABLED = 0x0400, 0x0200, 0x0100, 0x0080, 0x0010
LEAST_UDP_BYTES: Final = 512
"""The longest answer by UDP to a question without OPT (RFC 1035, section 4.2.1)."""
MOST_UDP_BYTES: Final = 1232
"""The longest answer by UDP at all: it fits the smallest IPv6 packet (DNS flag day 2020)."""
MOST_NAME_BYTES: Final = 255
MOST_LABEL_BYTES: Final = 63
MOST_EXTRAS: Final = 4
"""Records beside the question that are looked at; an honest one brings an OPT, and a signature at most."""
FIRST_NAME: Final = 0xC000 | 12
"""A pointer to the question's name, which stands behind the header."""
LEGACY_RCODE: Final = 0x0F

_header = struct.Struct("!6H")
_question = struct.Struct("!2H")
_record = struct.Struct("!HHIH")
_soa_numbers = struct.Struct("!5I")


class Code(IntEnum):
    """Response codes (RFC 1035, 4.1.1; RFC 6891, 9)."""

    NO_ERROR = 0
    MALFORMED = 1
    SERVER_FAILURE = 2
    NO_SUCH_NAME = 3
    NOT_IMPLEMENTED = 4
    REFUSED = 5
    BAD_VERSION = 16


class Question(NamedTuple):
    """A question that was understood as far as `code` says."""

    number: int
    """What the asker knows the answer by."""
    flags: int
    name: tuple[bytes, ...]
    """The labels as they were written, without the root's."""
    kind: int
    """A, AAAA, PTR …"""
    section: bytes
    """The question as it stood there, for the answer; empty if it could not be read."""
    room: int
    """Bytes that an answer by UDP may have."""
    extended: bool = False
    """It has an OPT, so the answer needs one."""
    code: Code = Code.NO_ERROR
    """What to answer at once, if that is no `NO_ERROR`."""

    @property
    def folded(self) -> str:
        """The name in lower case with dots, without one at the end. Labels are compared so (RFC 4343)."""
        return b".".join(self.name).decode("latin-1").lower()


class Record(NamedTuple):
    """One answer about the name that was asked for."""

    kind: int
    seconds: int
    """How long it may be remembered."""
    data: bytes


def read_question(message: bytes) -> Question:
    """What is asked. Raises PeerFault for what is not even a question: it gets no answer."""
    try:
        number, flags, questions, answers, authorities, extras = _header.unpack_from(message)
    except struct.error as error:
        raise PeerFault(Fault.MALFORMED) from error
    if flags & IS_ANSWER:  # two servers that answer each other's answers never stop
        raise PeerFault(Fault.MALFORMED)
    unread = Question(number, flags, (), 0, b"", LEAST_UDP_BYTES)
    if flags & OPCODE:
        return unread._replace(code=Code.NOT_IMPLEMENTED)
    try:
        if questions != 1:
            raise ValueError("one question at a time")
        name, at = _name(message, _header.size)
        kind, family = _question.unpack_from(message, at)
        end = at + _question.size
        asked = unread._replace(name=name, kind=kind, section=message[_header.size : end])
        if family != CLASS_IN:
            return asked._replace(code=Code.REFUSED)
        return _extended(asked, message, end, answers + authorities + extras)
    except (struct.error, IndexError, ValueError):
        return unread._replace(code=Code.MALFORMED)


def answer(
    asked: Question,
    code: Code = Code.NO_ERROR,
    records: Sequence[Record] = (),
    *,
    zone: str = "",
    negative_seconds: int = 0,
    room: int | None = None,
) -> bytes:
    """The answer: `records` about the name that was asked for; without any, who says that there are none (`zone`, RFC 2308).

    `zone` is empty where this server says nothing about the name. What needs more bytes than `room` (by UDP: the asker's) is
    left out and marked as truncated, so that it is asked for by TCP.
    """
    flags = IS_ANSWER | RECURSION_AVAILABLE | (asked.flags & (RECURSION_DESIRED | CHECKING_DISABLED | OPCODE))
    flags |= (AUTHORITATIVE if zone else 0) | (code & LEGACY_RCODE)
    answers = b"".join(_packed(record) for record in records)
    authority = _soa(zone, negative_seconds) if zone and not records else b""
    extra = _opt(code) if asked.extended else b""
    counts = [1 if asked.section else 0, len(records), 1 if authority else 0, 1 if extra else 0]
    whole = asked.section + answers + authority + extra
    if _header.size + len(whole) > (asked.room if room is None else room):
        flags |= TRUNCATED
        counts[1] = counts[2] = 0
        whole = asked.section + extra
    return _header.pack(asked.number, flags, *counts) + whole


def address_record(address: ipaddress.IPv4Address | ipaddress.IPv6Address, seconds: int) -> Record:
    """A or AAAA."""
    return Record(TYPE_A if address.version == 4 else TYPE_AAAA, seconds, address.packed)


def pointer_record(name: str, seconds: int) -> Record:
    """PTR to `name`."""
    return Record(TYPE_PTR, seconds, packed_name(name))


def packed_name(name: str) -> bytes:
    """A name on the wire. Raises ValueError if that is not a DNS name."""
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    packed = b"".join(bytes([len(label)]) + label for label in labels if 0 < len(label) <= MOST_LABEL_BYTES) + b"\0"
    if not all(0 < len(label) <= MOST_LABEL_BYTES for label in labels) or len(packed) > MOST_NAME_BYTES:
        raise ValueError(f"{name[:80]!r} is no DNS name")
    return packed


def with_number(message: bytes, number: int) -> bytes:
    """The same message under another number."""
    return number.to_bytes(2, "big") + message[2:]


def answers(message: bytes, asked: bytes, section: bytes) -> bool:
    """Does `message` answer `asked`, whose question stands there as `section`? Others are somebody's guesses."""
    try:
        number, flags, questions, *_ = _header.unpack_from(message)
    except struct.error:
        return False
    repeated = message[_header.size : _header.size + len(section)]
    same = questions == 1 and repeated.lower() == section.lower()
    return number == int.from_bytes(asked[:2], "big") and bool(flags & IS_ANSWER) and (same or (not questions and _failed(flags)))


def code_of(message: bytes) -> int:
    """The response code in the header of an answer."""
    return message[3] & LEGACY_RCODE


def cut(message: bytes, section: bytes) -> bytes:
    """An answer that does not fit, as one that is truncated."""
    number, flags, *_ = _header.unpack_from(message)
    return _header.pack(number, flags | TRUNCATED, 1, 0, 0, 0) + section


def _failed(flags: int) -> bool:
    """Some servers leave out the question when they refuse or fail."""
    return flags & LEGACY_RCODE in {Code.MALFORMED, Code.SERVER_FAILURE, Code.NOT_IMPLEMENTED, Code.REFUSED}


def _name(message: bytes, at: int) -> tuple[tuple[bytes, ...], int]:
    """The labels of a name without pointers, and where it ends."""
    labels: list[bytes] = []
    start = at
    while length := message[at]:
        if length > MOST_LABEL_BYTES:
            raise ValueError("a pointer, or a label of a kind that is none of RFC 1035's")
        label = message[at + 1 : at + 1 + length]
        if len(label) < length:
            raise ValueError("it ends too soon")
        labels.append(label)
        at += 1 + length
        if at - start >= MOST_NAME_BYTES:
            raise ValueError("the name is too long")
    return tuple(labels), at + 1


def _extended(asked: Question, message: bytes, at: int, records: int) -> Question:
    """What the OPT among the records says, if there is one."""
    for _ in range(min(records, MOST_EXTRAS)):
        name, at = _name(message, at)
        kind, size, ttl, length = _record.unpack_from(message, at)
        at += _record.size + length
        if at > len(message):
            raise ValueError("it ends too soon")
        if kind == TYPE_OPT and not name:
            room = max(LEAST_UDP_BYTES, min(size, MOST_UDP_BYTES))
            version = ttl >> 16 & 0xFF
            return asked._replace(extended=True, room=room, code=Code.BAD_VERSION if version else Code.NO_ERROR)
    return asked


def _packed(record: Record) -> bytes:
    return FIRST_NAME.to_bytes(2, "big") + _record.pack(record.kind, CLASS_IN, record.seconds, len(record.data)) + record.data


def _opt(code: int) -> bytes:
    return b"\0" + _record.pack(TYPE_OPT, MOST_UDP_BYTES, (code >> 4) << 24, 0)


def _soa(zone: str, seconds: int) -> bytes:
    """Who says so. Its numbers are for secondary servers, of which there are none, but the last: how long a "no" may be
    remembered."""
    owner = packed_name(zone)
    data = owner + packed_name(f"nobody.{zone}") + _soa_numbers.pack(1, 3600, 600, 86400, seconds)
    return owner + _record.pack(TYPE_SOA, CLASS_IN, seconds, len(data)) + data
