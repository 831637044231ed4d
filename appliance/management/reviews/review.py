"""One review: what it is about, what was said, and where it stands.

A review of a change is about a plan, by the plan's name: that has what would be done, and to which state. Somebody else than its
author has to approve it. A review of an incident is a conversation that is resolved at last.

       ┌──────────── withdrawn ◀── the author
    open ── approve (enough) ──▶ approved ── apply ──▶ applying ──▶ applied
       └──────────── rejected ◀── anybody who may           │
    open, approved ── time is over, the plan is another ──▶ void ◀┘ (it failed: approved again)
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

MOST_MESSAGES: Final = 500
"""Of a review; the last ones are left for decisions."""
RESERVED: Final = 20
"""Of these messages: comments do not take the place of decisions."""
MOST_TEXT: Final = 4096
"""Characters of a message."""
MOST_TITLE: Final = 200
LASTS: Final = 24 * 3600
"""Seconds for which a review of a change is good, unless its author says otherwise."""


class Kind(StrEnum):
    """What a review is about."""

    CHANGE = "change"
    INCIDENT = "incident"


class State(StrEnum):
    """Where a review stands."""

    OPEN = "open"
    APPROVED = "approved"
    APPLYING = "applying"
    """Somebody applies it now."""
    APPLIED = "applied"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    VOID = "void"
    """Its time is over, or what would be done is not what was approved."""
    RESOLVED = "resolved"
    """An incident that is over."""


class Deed(StrEnum):
    """What is done to a review."""

    COMMENT = "comment"
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    APPLY = "apply"
    APPLIED = "applied"
    FAILED = "failed"
    VOID = "void"
    RESOLVE = "resolve"


MOVES: Final[Mapping[tuple[State, Deed], State]] = {
    (State.OPEN, Deed.APPROVE): State.APPROVED,
    (State.OPEN, Deed.REJECT): State.REJECTED,
    (State.OPEN, Deed.WITHDRAW): State.WITHDRAWN,
    (State.OPEN, Deed.VOID): State.VOID,
    (State.OPEN, Deed.RESOLVE): State.RESOLVED,
    (State.APPROVED, Deed.APPROVE): State.APPROVED,
    (State.APPROVED, Deed.REJECT): State.REJECTED,
    (State.APPROVED, Deed.WITHDRAW): State.WITHDRAWN,
    (State.APPROVED, Deed.VOID): State.VOID,
    (State.APPROVED, Deed.APPLY): State.APPLYING,
    (State.APPLYING, Deed.APPLIED): State.APPLIED,
    (State.APPLYING, Deed.FAILED): State.APPROVED,
    (State.APPLYING, Deed.VOID): State.VOID,
}
"""Every move there is. A comment moves nothing, and is taken in any state."""
OVER: Final = frozenset(set(State) - {State.OPEN, State.APPROVED, State.APPLYING})


class Who(NamedTuple):
    """Somebody who does something. Names are given again when a user was removed; ids are not."""

    name: str
    user: str = ""
    """The id of the user; "" for somebody on the host itself, who goes by his name."""

    @property
    def id(self) -> str:
        """By which he is known again."""
        return self.user or f"host:{self.name}"


class Message(NamedTuple):
    """One message."""

    number: int
    """From 1 on, in the review."""
    by: str
    """The user's name; "" for the API server itself."""
    at: int
    """Unix seconds."""
    deed: str
    text: str


class Review(NamedTuple):
    """A review, as it is kept."""

    id: str
    kind: str
    title: str
    author: str
    """The name."""
    author_id: str
    created: int
    """Unix seconds."""
    expires: int
    """Unix seconds; 0: never."""
    state: str
    needs: int
    """How many have to approve it."""
    approved_by: tuple[str, ...]
    """Their names."""
    approved_ids: tuple[str, ...]
    messages: tuple[Message, ...]
    plan: Mapping[str, Any] | None
    """What the node told of the change; None for an incident."""
    said: int = 0
    """How many messages there were so far."""
    server: str = ""
    """The API server that it was opened at: a plan is of that one's node. "" in reviews from before there could be several."""

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return self._asdict() | {"messages": [message._asdict() for message in self.messages]}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Review:
        """What `document` wrote."""
        messages = tuple(Message(**message) for message in document["messages"])
        return cls(
            **{**document, "messages": messages, **{name: tuple(document[name]) for name in ("approved_by", "approved_ids")}}
        )
