"""What members and meeting places say to each other: two questions with their answers.

    register   question: a registration              answer: status u8
    find       question: most u16 | length u8 | tag | cookie, nothing or 24 bytes
               answer:   status u8 | more u8 | cookie 24 | registrations: length u16, bytes

To withdraw is to register a registration that says so. The cookie of an answer stands for all that was told so far: the next
question with it gets what came since, so it serves for further pages as well as for what is new later. What is malformed has no
answer.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from appliance.knowledge.rendezvous.registration import is_tag

REGISTER: Final = "register"
FIND: Final = "find"
COOKIE_BYTES: Final = 24
MOST_PAGE: Final = 32
"""Registrations of one answer: to verify so many takes 4 ms."""
PAGE_BYTES: Final = 14336
"""Most bytes of an answer: a control message has 16,384."""
_ASKED: Final = struct.Struct("!HB")
_ANSWERED: Final = struct.Struct(f"!BB{COOKIE_BYTES}s")
_LENGTH: Final = struct.Struct("!H")


class Status(IntEnum):
    """How a question ended."""

    OK = 0
    STALE = 1
    """The cookie was not given here, or before the place was started anew: ask without."""
    FULL = 2
    TOO_MANY = 3
    """The member has as many registrations as one may have."""
    OLD = 4
    """A newer registration is there."""
    CLOCK = 5
    """By the place's clock it has expired, or is of the future."""


class NotUnderstood(ValueError):
    """It is none of these messages."""


class Find(NamedTuple):
    """Who is registered under a tag?"""

    tag: str
    most: int
    cookie: bytes = b""


class Page(NamedTuple):
    """An answer to `Find`."""

    status: Status
    more: bool = False
    """There is more to be had at once."""
    cookie: bytes = bytes(COOKIE_BYTES)
    registrations: Sequence[bytes] = ()


def pack_find(find: Find) -> bytes:
    """Its bytes."""
    return _ASKED.pack(find.most, len(find.tag)) + find.tag.encode() + find.cookie


def read_find(body: bytes) -> Find:
    """Raises NotUnderstood."""
    try:
        most, length = _ASKED.unpack_from(body)
        tag = body[_ASKED.size : _ASKED.size + length].decode("ascii")
    except (struct.error, ValueError):
        raise NotUnderstood("no question") from None
    cookie = body[_ASKED.size + length :]
    if not most or len(tag) < length or not is_tag(tag) or len(cookie) not in {0, COOKIE_BYTES}:
        raise NotUnderstood("no question")
    return Find(tag, most, cookie)


def pack_page(page: Page) -> bytes:
    """Its bytes."""
    parts = [_ANSWERED.pack(page.status, page.more, page.cookie)]
    for each in page.registrations:
        parts += (_LENGTH.pack(len(each)), each)
    return b"".join(parts)


def read_page(body: bytes) -> Page:
    """Raises NotUnderstood."""
    try:
        status, more, cookie = _ANSWERED.unpack_from(body)
        found, at = [], _ANSWERED.size
        while at < len(body):
            (length,) = _LENGTH.unpack_from(body, at)
            at += _LENGTH.size + length
            found.append(body[at - length : at])
        page = Page(Status(status), bool(more), cookie, found)
    except (struct.error, ValueError):
        raise NotUnderstood("no answer") from None
    if at != len(body) or more > 1 or len(found) > MOST_PAGE:
        raise NotUnderstood("no answer")
    return page


def read_status(body: bytes) -> Status:
    """Raises NotUnderstood."""
    try:
        (status,) = body
        return Status(status)
    except ValueError:
        raise NotUnderstood("no answer") from None
