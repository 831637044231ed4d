"""What the nodes of a topic say to each other: a control message of the kind `rpc` holds parts, one behind the other.

    part:  type u8 | length u16 | value
    topic: length u8 | ASCII

    1 topics     version u32, topics     all that the sender subscribes to
    2 join       version u32, topic      one more; the version is one higher with each change
    3 leave      version u32, topic      one less
    4 version    version u32             of the sender's subscriptions, said again in case a change was lost
    5 tell                               the sender missed a change: say all of them
    6 message    signed record           see `message`
    7 have       topic, ids              the sender has these messages (IHAVE), and needs no copy of them (IDONTWANT)
    8 want       ids                     and would like to have these (IWANT)
    9 graft      flags u8, topic         be in my mesh. 1: only tell me what you have; 2: an answer to a graft
    10 prune     seconds u16, topic, members        leave my mesh, for so long; here are others
    11 lazy      topic                   only tell me what you have, do not send it (Plumtree's prune)
    12 eager     topic                   send me messages at once
    13 hint      signed record           a member subscribes to a topic, see `hints`
    14 seek      topic                   who does?

Parts of unknown types are passed over.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Final

from appliance.members.effects import Say
from appliance.members.row import DIGEST_BYTES, Digest

KIND: Final = "rpc"
"""Of the family `topics`."""
MOST_BODY: Final = 15360
"""Bytes of a body: what a control message holds, less what its head may take."""
MOST_PARTS: Final = 256
"""In one message."""
ID_BYTES: Final = 20
"""A message's id is so much of a SHA-256: two with one id take 2**80 tries, and harm only their own author."""
TOPIC: Final = re.compile(r"[A-Za-z0-9._/-]{1,64}", re.ASCII)
_PART: Final = struct.Struct("!BH")
_VERSION: Final = struct.Struct("!I")
_SECONDS: Final = struct.Struct("!H")
LAZY: Final = 1
ANSWER: Final = 2


class Part(IntEnum):
    """The types."""

    TOPICS = 1
    JOIN = 2
    LEAVE = 3
    VERSION = 4
    TELL = 5
    MESSAGE = 6
    HAVE = 7
    WANT = 8
    GRAFT = 9
    PRUNE = 10
    LAZY = 11
    EAGER = 12
    HINT = 13
    SEEK = 14


_TYPES: Final = {int(kind): kind for kind in Part}


class Malformed(ValueError):
    """It is not what its type says."""


def is_topic(name: str) -> bool:
    """1 to 64 letters, digits, and . _ - /"""
    return TOPIC.fullmatch(name) is not None


def part(kind: Part, value: bytes = b"") -> bytes:
    """One part."""
    return _PART.pack(kind, len(value)) + value


def read_parts(body: bytes) -> list[tuple[Part, bytes]]:
    """The parts of a message that have known types. Raises Malformed."""
    found: list[tuple[Part, bytes]] = []
    at, number = 0, 0
    while at < len(body):
        number += 1
        if len(body) - at < _PART.size or number > MOST_PARTS:
            raise Malformed
        kind, length = _PART.unpack_from(body, at)
        at += _PART.size
        if at + length > len(body):
            raise Malformed
        if kind in _TYPES:
            found.append((_TYPES[kind], body[at : at + length]))
        at += length
    return found


def topic_field(topic: str) -> bytes:
    """As it stands in a part."""
    encoded = topic.encode("ascii")
    return bytes([len(encoded)]) + encoded


def read_topic(value: bytes, at: int = 0) -> tuple[str, int]:
    """A topic, and where it ends. Raises Malformed."""
    if at >= len(value):
        raise Malformed
    end = at + 1 + value[at]
    if end > len(value):
        raise Malformed
    topic = value[at + 1 : end].decode("latin-1")
    if not is_topic(topic):
        raise Malformed
    return topic, end


def only_topic(value: bytes) -> str:
    """A value that is a topic and nothing else. Raises Malformed."""
    topic, end = read_topic(value)
    if end != len(value):
        raise Malformed
    return topic


def topics_value(version: int, topics: Iterable[str]) -> bytes:
    """Of `topics`, `join`, `leave` and `version`."""
    return _VERSION.pack(version) + b"".join(map(topic_field, topics))


def read_topics(value: bytes) -> tuple[int, list[str]]:
    """The version and the topics. Raises Malformed."""
    if len(value) < _VERSION.size:
        raise Malformed
    topics: list[str] = []
    at = _VERSION.size
    while at < len(value):
        topic, at = read_topic(value, at)
        topics.append(topic)
    return _VERSION.unpack_from(value)[0], topics


def read_ids(value: bytes) -> list[bytes]:
    """The ids that a value consists of. Raises Malformed."""
    return _split(value, ID_BYTES)


def have_value(topic: str, ids: Iterable[bytes]) -> bytes:
    """Of `have`."""
    return topic_field(topic) + b"".join(ids)


def read_have(value: bytes) -> tuple[str, list[bytes]]:
    """The topic and the ids. Raises Malformed."""
    topic, end = read_topic(value)
    return topic, read_ids(value[end:])


def graft_value(topic: str, *, lazy: bool, answer: bool) -> bytes:
    """Of `graft`."""
    return bytes([LAZY * lazy | ANSWER * answer]) + topic_field(topic)


def read_graft(value: bytes) -> tuple[str, bool, bool]:
    """The topic; is the sender told only; is it an answer? Raises Malformed."""
    topic = only_topic(value[1:])
    return topic, bool(value[0] & LAZY), bool(value[0] & ANSWER)


def prune_value(topic: str, seconds: float, members: Iterable[Digest]) -> bytes:
    """Of `prune`."""
    return _SECONDS.pack(round(seconds)) + topic_field(topic) + b"".join(members)


def read_prune(value: bytes) -> tuple[str, int, list[Digest]]:
    """The topic, the seconds, and the members. Raises Malformed."""
    topic, end = read_topic(value, _SECONDS.size)
    return topic, _SECONDS.unpack_from(value)[0], _split(value[end:], DIGEST_BYTES)


def _split(value: bytes, size: int) -> list[bytes]:
    if len(value) % size:
        raise Malformed
    return [value[at : at + size] for at in range(0, len(value), size)]


class Outbox:
    """Parts that wait until the verb is done, so that what goes to one peer goes in one message."""

    def __init__(self) -> None:
        self._parts: dict[Digest, list[bytes]] = {}

    def put(self, member: Digest, kind: Part, value: bytes = b"") -> None:
        """For one peer."""
        self._parts.setdefault(member, []).append(part(kind, value))

    def flush(self) -> Iterator[Say]:
        """All that waits, in as few messages as hold it, in order."""
        parts, self._parts = self._parts, {}
        for member, waiting in parts.items():
            for body in _packed(waiting):
                yield Say(member, KIND, body)


def _packed(parts: list[bytes]) -> Iterator[bytes]:
    body: list[bytes] = []
    size = 0
    for each in parts:
        if body and (size + len(each) > MOST_BODY or len(body) == MOST_PARTS):
            yield b"".join(body)
            body, size = [], 0
        body.append(each)
        size += len(each)
    if body:
        yield b"".join(body)
