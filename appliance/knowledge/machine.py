"""What each machine of shared knowledge is: pure, one of each node, told what happens, and asked what it wants.

    sessions come and go ─▶ ┌─────────┐ ─▶ `said`    messages, which may be lost
    messages, questions  ─▶ │ Machine │ ─▶ `asked`   questions to members
    answers              ─▶ │         │ ─▶ `wishes`  with whom to keep a session
    time                 ─▶ └─────────┘ ─▶ `deeds`   what speaks for or against members

Times are arguments: `now` on a clock that only goes forward, `wall` in Unix seconds. Members are named by the 32 bytes that
their fingerprints spell. Whoever drives it calls one verb, takes what gathered in the four lists, and comes back at `next_due`.
Nothing that a member sends makes a verb raise.
"""

from __future__ import annotations

from typing import Protocol

from appliance.knowledge.effects import Ask, Deed
from appliance.members.effects import Hold, Release, Say
from appliance.members.row import Digest


class Machine(Protocol):
    """One node's part in one kind of shared knowledge."""

    said: list[Say]
    asked: list[Ask]
    wishes: list[Hold | Release]
    deeds: list[Deed]

    def connected(self, member: Digest, now: float) -> None:
        """There is a session with a member."""

    def gone(self, member: Digest, now: float) -> None:
        """There is none any more."""

    def take(self, member: Digest, kind: str, body: bytes, now: float, wall: float) -> None:
        """A message of a member came."""

    def answer(self, member: Digest, kind: str, body: bytes, now: float, wall: float) -> bytes | None:
        """A member asks. None: there is no answer."""

    def answered(self, number: int, body: bytes | None, now: float, wall: float) -> None:
        """What became of a question in `asked`: the answer, or None if there is none."""

    def due(self, now: float, wall: float) -> None:
        """Time passed."""

    def next_due(self) -> float:
        """When `due` wants to be called."""
