"""The book as it is kept: JSON, with ages instead of times, since the book's clock begins anew with each process.

    {"form": 1, "written": Unix seconds, "members": {IDENTITY: {…}}}
    a member: "reasons": {WHAT: [count, age of the first, age of the last, points, grave]}
              "block": {"reason", "by", "age", "left"}          left: seconds, null: until somebody takes it back
              "doubled": [times, age]

While no process ran, the wall clock says how long that was: what ends by itself does so then, too. A clock that went back
meanwhile adds nothing, so what was for a while lasts longer at worst.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf, isfinite
from typing import Any, Final

from appliance.errors import ApplianceError
from appliance.knowledge.scores.blocks import ITSELF, LONGEST_SECONDS, MOST, Block, Term
from appliance.knowledge.scores.book import MOST_MEMBERS, Book
from appliance.knowledge.scores.history import GRAVE_MOST, MOST_REASONS, History, Reason
from appliance.members.network import digest_of_text, identity_text
from appliance.members.row import Digest

FORM: Final = 1
MOST_TEXT: Final = 200
"""Characters of a reason, and of who said so."""
MOST_DOUBLED: Final = 16
MOST_AGE: Final = 2.0**33
"""Seconds."""


class BookDamaged(ApplianceError):
    """What was kept of peers' scores and blocks cannot be read."""


def document_of(book: Book, now: float, wall: float) -> dict[str, Any]:
    """What is kept of it. All in it is a copy."""
    members: dict[Digest, dict[str, Any]] = {}
    for member, history in book.histories.items():
        members[member] = {"reasons": {what: _of_reason(reason, now) for what, reason in history.reasons.items()}}
    for member, block in book.blocks.all.items():
        left = None if block.until == inf else block.until - now
        kept = {"reason": block.reason, "by": block.by, "age": now - block.since, "left": left}
        members.setdefault(member, {})["block"] = kept
    for member, term in book.blocks.terms.items():
        members.setdefault(member, {})["doubled"] = [term.doubled, now - term.since]
    return {"form": FORM, "written": wall, "members": {identity_text(member): kept for member, kept in members.items()}}


def read_document(data: bytes, now: float, wall: float) -> Book:
    """The book that was kept. Raises BookDamaged."""
    try:
        document = json.loads(data)
        if document["form"] != FORM:
            raise ValueError("another form")
        passed = max(0.0, wall - _number(document["written"], -MOST_AGE, MOST_AGE))
        return _read(document["members"], now - passed)
    except (ApplianceError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BookDamaged(
            f"it is no book of scores: {error}"[:MOST_TEXT], hint="blocks that were in it are to be made again"
        ) from None


def _read(members: Mapping[str, Any], then: float) -> Book:
    book = Book()
    histories: dict[Digest, History] = {}
    blocks: dict[Digest, Block] = {}
    terms: dict[Digest, Term] = {}
    if len(members) > MOST_MEMBERS + 2 * MOST:
        raise ValueError("too many members")
    for identity, kept in members.items():
        member = digest_of_text(identity)
        if reasons := kept.get("reasons"):
            histories[member] = _history(reasons, then)
        if (block := kept.get("block")) is not None:
            blocks[member] = _block(block, then)
        if (doubled := kept.get("doubled")) is not None:
            times, age = doubled
            terms[member] = Term(int(_number(times, 0, MOST_DOUBLED)), then - _number(age, -LONGEST_SECONDS, MOST_AGE))
    book.recall(histories)
    book.blocks.recall(blocks, terms)
    return book


def _history(reasons: Mapping[str, Any], then: float) -> History:
    history = History()
    if len(reasons) > MOST_REASONS + 1:
        raise ValueError("too many reasons")
    for what, (count, first, last, points, grave) in reasons.items():
        history.reasons[_text(what)] = Reason(
            int(_number(count, 0, 2**53)),
            then - _number(first, 0.0, MOST_AGE),
            then - _number(last, 0.0, MOST_AGE),
            _number(points, -GRAVE_MOST, GRAVE_MOST),
            grave is True,
        )
    return history


def _block(kept: Mapping[str, Any], then: float) -> Block:
    left, by = kept["left"], _text(kept["by"])
    until = inf if left is None else then + _number(left, -MOST_AGE, LONGEST_SECONDS if by == ITSELF else MOST_AGE)
    return Block(_text(kept["reason"]), by, then - _number(kept["age"], 0.0, MOST_AGE), until)


def _of_reason(reason: Reason, now: float) -> list[Any]:
    return [reason.count, now - reason.first, now - reason.last, reason.points, reason.grave]


def _number(value: object, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError("a number was expected")
    return max(least, min(most, float(value)))


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise ValueError("a text was expected")
    return value
