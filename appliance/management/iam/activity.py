"""What a user does: log-ins that last, and the addresses they came from. Kept beside the user, because it changes more often."""

from __future__ import annotations

from typing import NamedTuple

from appliance.management.iam.lockout import MOST_OWN_ADDRESSES
from appliance.management.iam.refresh import MOST_FAMILIES


class Activity(NamedTuple):
    """Of one user."""

    families: tuple[str, ...] = ()
    """Numbers of log-ins, the oldest first. Some may have ended meanwhile."""
    addresses: tuple[str, ...] = ()
    """Marks of addresses (`lockout.address_mark`) from which he logged in, the latest last."""
    last_log_in: int = 0
    """Unix seconds."""


def logged_in(before: Activity, family: str, mark: str, now: int) -> tuple[Activity, tuple[str, ...]]:
    """After one more log-in; and the families that it ends, because there are too many."""
    families = (*before.families, family)
    addresses = (*(one for one in before.addresses if one != mark), mark) if mark else before.addresses
    kept = families[-MOST_FAMILIES:]
    return Activity(kept, addresses[-MOST_OWN_ADDRESSES:], now), families[: len(families) - len(kept)]


def without(before: Activity, family: str) -> Activity:
    """After a log-in ended."""
    return before._replace(families=tuple(one for one in before.families if one != family))
