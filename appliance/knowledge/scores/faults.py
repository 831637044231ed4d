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
    """For up to `crowd` in a second."""
    many: float
    """For more."""
    crowd: int = 50
    """Chosen: a bug of an honest node comes with each question or row, of which there are fewer."""


FLOOD: Final = 2000
"""Messages beyond a budget, in a second. Chosen: an honest node keeps to the budgets that it knows; where two versions of a
plugin know different ones, that is 1,000 at most."""
FORGERIES: Final = 10
"""In a second: whoever forges in a row is not a broken node."""
_SMALL, _GRAVE, _WORST, _ATTACK = -1.0, -5.0, -10.0, -30.0

FORGED: Final = {what: Worth(what, _WORST, _ATTACK, FORGERIES) for what in ("forged-statement", "forged-row", "forged-claim")}
"""Every member judges signatures before it passes something on."""
FOREIGN: Final = {what: Worth(what, _GRAVE, _GRAVE) for what in ("foreign-statement", "foreign-row")}
"""Of another network."""
OTHERS: Final = {
    Fault.MALFORMED: Worth("malformed-message", _SMALL, _WORST),
    "malformed-message": Worth("malformed-message", _SMALL, _WORST),
    Fault.TOO_LONG: Worth("malformed-message", _SMALL, _WORST),
    Fault.UNEXPECTED: Worth("unexpected-message", _SMALL, _WORST),
    Fault.CONTROL_FLOOD: Worth("flood", _SMALL, _WORST, FLOOD),
    Fault.CONTROL_REUSED: Worth("reused-request", _SMALL, _WORST),
    Fault.CONTROL_UNASKED: Worth("unasked-answer", _SMALL, _WORST),
}
"""What is not here says nothing: a family that only one of both speaks, an answer that came late, an inbox that was full."""
WORTH: Final[dict[str, Worth]] = {**FORGED, **FOREIGN, **{str(fault): worth for fault, worth in OTHERS.items()}}


def points_of(fault: str, times: int) -> float:
    """So many in a second. Raises KeyError for a fault that is worth nothing."""
    worth = WORTH[fault]
    return worth.many if times > worth.crowd else worth.points
