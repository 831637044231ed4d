"""What of a plan brings back something that was there: the part that a running node does by itself."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.api.planning import Step

TAKING_AWAY = frozenset({"address.remove", "route.remove", "rule.remove"})


def bringing_back(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps less those that only take away: an address that somebody gave our interface besides is left to the admin.

    Where the interface itself has to be made anew, what is taken away belongs to that.
    """
    if any(step.do.verb == "link.delete" for step in steps):
        return tuple(steps)
    return tuple(step for step in steps if step.do.verb not in TAKING_AWAY)
