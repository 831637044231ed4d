"""What a fault is worth that came through a member's own session: nobody else can have sent it. Pure.

All of one kind that come in a second are one deed. A few of some kinds happen between honest nodes, of different versions say; a
crowd of them does not.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from appliance.wire.faults import Fault


class Worth(NamedTuple):
    """Of one kind."""

    what: str
    """The reason in the history."""
    points: float
    """For up to `MANY` in a second."""
    many: float
    """For more."""


MANY: Final = 50
"""Chosen: an honest node keeps to the budget of each family itself, and its bugs answer to questions, which are fewer."""
_SMALL, _GRAVE, _WORST = -1.0, -5.0, -10.0

FORGED: Final = {what: Worth(what, _WORST, _WORST) for what in ("forged-statement", "forged-row", "forged-claim")}
"""Every member judges signatures before it passes something on."""
FOREIGN: Final = {what: Worth(what, _GRAVE, _GRAVE) for what in ("foreign-statement", "foreign-row")}
"""Of another network."""
OTHERS: Final = {
    Fault.MALFORMED: Worth("malformed-message", _SMALL, _WORST),
    "malformed-message": Worth("malformed-message", _SMALL, _WORST),
    Fault.TOO_LONG: Worth("malformed-message", _SMALL, _WORST),
    Fault.UNEXPECTED: Worth("unexpected-message", _SMALL, _WORST),
    Fault.CONTROL_FLOOD: Worth("flood", _SMALL, _WORST),
    Fault.CONTROL_REUSED: Worth("reused-request", _SMALL, _WORST),
    Fault.CONTROL_UNASKED: Worth("unasked-answer", _SMALL, _WORST),
}
"""What is not here says nothing: a family that only one of both speaks, an answer that came late, an inbox that was full."""
WORTH: Final[dict[str, Worth]] = {**FORGED, **FOREIGN, **{str(fault): worth for fault, worth in OTHERS.items()}}


def points_of(fault: str, times: int) -> float:
    """So many in a second. Raises KeyError for a fault that is worth nothing."""
    worth = WORTH[fault]
    return worth.many if times > MANY else worth.points
