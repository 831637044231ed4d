"""The part of a plan that a running node does by itself: bring back what others took away or changed."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.api.planning import Step

TAKING_AWAY = frozenset({"address.remove", "route.remove", "rule.remove"})


def bringing_back(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps, without those that only take something away: if somebody gave our interface one more address, that is for the
    admin to decide.

    If the interface itself has to be made again, those steps are part of that and stay.
    """
    if any(step.do.verb == "link.delete" for step in steps):
        return tuple(steps)
    return tuple(step for step in steps if step.do.verb not in TAKING_AWAY)
