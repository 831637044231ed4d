"""What members ask each other in the family `dht`, and how they answer.

find       id                             contacts
value      id                             contacts, records         records under the key
providers  id                             contacts, records         who has what the key names
store      records                        a byte for each: 0 kept, else why it is not

id         20 bytes
contacts   number u8 (20 at most), the digests of their identities, 32 bytes each; the closest to `id` first
records    type u8 (1 value, 2 provider), length u16, the record; again and again to the end
content    of a record: id, and behind it the value (of a provider nothing)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from appliance.knowledge.dht.ids import ID_BYTES, Id, unpack_id
from appliance.knowledge.signed import FRAME_BYTES
from appliance.members.row import DIGEST_BYTES, Digest

K: Final = 20
"""Contacts of a bucket and of an answer, and how many members keep a record. Kademlia's own figure."""
MOST_VALUE: Final = 1024
"""Bytes of a value. Chosen as BEP 44 did: eleven of the longest under one key fit into an answer."""
MOST_BODY: Final = 15_000
"""Bytes of what is asked and answered: a control message has 16,384 with its head."""
MOST_RECORDS: Final = 14_000
"""Bytes of the records in an answer: the contacts fit besides."""
_RECORD: Final = struct.Struct("!BH")
RECORD_HEAD: Final = _RECORD.size


class Kind(StrEnum):
    """What is asked."""

    FIND = "find"
    VALUE = "value"
    PROVIDERS = "providers"
    STORE = "store"


class Type(IntEnum):
    """What a record says."""

    VALUE = 1
    PROVIDER = 2

    @property
    def purpose(self) -> str:
        """What it is signed for."""
        return "dht value" if self is Type.VALUE else "dht provider"


MOST_UNDER: Final = {Type.VALUE: 32, Type.PROVIDER: 64}
"""Records under one key. Chosen: many writers, and one answer holds them all if they are short."""
ASKED_BY: Final = {Kind.VALUE: Type.VALUE, Kind.PROVIDERS: Type.PROVIDER}
"""What kind of record a question is for."""


class Verdict(IntEnum):
    """What became of a record that somebody was asked to keep."""

    KEPT = 0
    OLDER = 1
    """A later one of this writer is there."""
    FAR = 2
    """Many members are closer to the key."""
    FULL = 3
    """The whole store is, and this writer has as much in it as any other."""
    CROWDED = 4
    """There are as many under this key as may be."""
    SHARE = 5
    """This writer has as many as one may have."""
    REFUSED = 6
    """It is not valid."""


class Packed(NamedTuple):
    """A record as it travels."""

    type: Type
    encoded: bytes


class Answered(NamedTuple):
    """What an answer holds."""

    contacts: list[Digest]
    records: list[Packed]


def read_id(body: bytes) -> Id | None:
    """None if it is no id."""
    return unpack_id(body) if len(body) == ID_BYTES else None


def pack_answer(contacts: Sequence[Digest], records: Iterable[Packed] = ()) -> bytes:
    """At most K contacts."""
    return bytes((len(contacts),)) + b"".join(contacts) + pack_records(records)


def read_answer(body: bytes, kind: Kind) -> Answered | None:
    """None if it is none: only questions for records are answered with some."""
    if not body or body[0] > K or len(body) > MOST_BODY:
        return None
    end = 1 + DIGEST_BYTES * body[0]
    if len(body) < end:
        return None
    records = read_records(body[end:])
    type_ = ASKED_BY.get(kind)
    if records is None or any(record.type is not type_ for record in records):
        return None
    if type_ is not None and len(records) > MOST_UNDER[type_]:
        return None
    return Answered([body[at : at + DIGEST_BYTES] for at in range(1, end, DIGEST_BYTES)], records)


def pack_records(records: Iterable[Packed]) -> bytes:
    """One behind the other."""
    return b"".join(_RECORD.pack(type_, len(encoded)) + encoded for type_, encoded in records)


def read_records(body: bytes) -> list[Packed] | None:
    """None if these are none."""
    records, at = [], 0
    while at < len(body):
        if len(body) < at + RECORD_HEAD:
            return None
        type_, length = _RECORD.unpack_from(body, at)
        at += RECORD_HEAD
        if type_ not in (Type.VALUE, Type.PROVIDER) or len(body) < at + length or length < FRAME_BYTES:
            return None
        records.append(Packed(Type(type_), body[at : at + length]))
        at += length
    return records


def read_verdicts(body: bytes, number: int) -> list[Verdict] | None:
    """Of `number` records. None if these are none."""
    if len(body) != number or any(byte > Verdict.REFUSED for byte in body):
        return None
    return [Verdict(byte) for byte in body]
