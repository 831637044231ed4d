"""What a machine of shared knowledge wants done, besides what `members.effects` has."""

from __future__ import annotations

from typing import NamedTuple

from appliance.members.row import Digest


class Ask(NamedTuple):
    """Ask a member. A session is made where there is none. The answer, or that there is none, comes by `Machine.answered`."""

    number: int
    """The machine's own, for it alone."""
    peer: Digest
    kind: str
    """Without its family."""
    body: bytes
    within: float
    """Seconds until it counts as unanswered, from the moment at which there is a session."""


class Deed(NamedTuple):
    """A member did something that speaks for or against it."""

    member: Digest
    what: str
    """A short reason, of a small set: the name of a counter."""
    points: float
    """Above 0: it speaks for it; below: against it. 1 is an ordinary service, -1 a small fault, -10 something that no honest
    member does."""
