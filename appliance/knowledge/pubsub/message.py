"""A message of a topic: a record that its author signed, for the purpose "topic message".

    content:  topic (length u8, ASCII) | data

Its id is a hash of all that was signed, the signature left out: nobody can make a second copy of a message with another id, and
a copy with a broken signature does not stand in the way of the good one, since ids are noted only of what was found good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, NamedTuple

from appliance.knowledge.pubsub.wire import ID_BYTES, Malformed, read_topic, topic_field
from appliance.knowledge.signed import Fault, Record, RecordRefused, read_record, sign_record
from appliance.members.row import SIGNATURE_BYTES, Digest, Verifier
from appliance.protocol.digests import sha256

PURPOSE: Final = "topic message"
MOST_DATA: Final = 8000
"""Bytes that a program can publish at once."""
MESSAGE_SECONDS: Final = 300
"""How long a message is good for. Chosen: what clocks of members may differ by (`signed.AHEAD_SECONDS`), so that it is not too
old for a node whose clock is ahead; ids are remembered for as long, so it cannot come twice."""


class Verdict(Enum):
    """What a topic's own judgement says of a message."""

    ACCEPT = "accept"
    REJECT = "reject"
    """No honest member would pass it on: it counts against who sent it."""
    IGNORE = "ignore"
    """Neither taken nor passed on; nobody is to blame."""


class Delivered(NamedTuple):
    """A message, as programs get it."""

    topic: str
    author: Digest
    data: bytes
    id: bytes
    written: int
    """Unix seconds, by its author's clock."""


class Message(NamedTuple):
    """A message, as nodes keep it."""

    delivered: Delivered
    expires: int
    encoded: bytes


def id_of(encoded: bytes) -> bytes:
    """The id of a message."""
    return sha256(encoded[:-SIGNATURE_BYTES])[:ID_BYTES]


def sign_message(
    topic: str, data: bytes, author: Digest, network: Digest, sequence: int, wall: float, sign: Callable[[bytes], bytes]
) -> Message:
    """A new one. Raises ValueError if the data is too long."""
    if len(data) > MOST_DATA:
        raise ValueError(f"{len(data)} bytes are more than the {MOST_DATA} that a message holds")
    content = topic_field(topic) + data
    written = int(wall)
    record = sign_record(Record(network, author, sequence, written, written + MESSAGE_SECONDS, content), PURPOSE, sign)
    return _message(record)


def topic_of(content: bytes) -> str:
    """The topic that a message's content names. Raises RecordRefused."""
    try:
        return read_topic(content)[0]
    except Malformed:
        raise RecordRefused(Fault.MALFORMED) from None


def read_message(encoded: bytes, network: Digest, keys: Mapping[Digest, bytes], wall: float, verify: Verifier) -> Message:
    """A message that its author signed. Raises RecordRefused."""
    record = read_record(encoded, PURPOSE, network, keys, wall, verify)
    if record.expires - record.written > MESSAGE_SECONDS:
        raise RecordRefused(Fault.FUTURE)
    return _message(record)


def _message(record: Record) -> Message:
    topic = topic_of(record.content)
    data = record.content[1 + len(topic) :]
    if len(data) > MOST_DATA:
        raise RecordRefused(Fault.TOO_LONG)
    delivered = Delivered(topic, record.member, data, id_of(record.encoded), record.written)
    return Message(delivered, record.expires, record.encoded)
