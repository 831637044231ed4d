"""Log-ins that last, and where they came from."""

from __future__ import annotations

from appliance.management.iam.activity import Activity, logged_in, without
from appliance.management.iam.refresh import MOST_FAMILIES


def test_the_oldest_log_in_ends_when_there_are_too_many() -> None:
    activity, ended = Activity(), list[str]()
    for number in range(MOST_FAMILIES + 2):
        activity, surplus = logged_in(activity, f"family {number}", "", 100 + number)
        ended += surplus
    assert ended == ["family 0", "family 1"]
    assert len(activity.families) == MOST_FAMILIES
    assert activity.last_log_in == 100 + MOST_FAMILIES + 1


def test_the_latest_four_addresses_are_his_own() -> None:
    activity = Activity()
    for mark in ("a", "b", "c", "a", "d", "e", "", "e"):
        activity, _ = logged_in(activity, "family", mark, 1)
    assert activity.addresses == ("c", "a", "d", "e")


def test_one_that_ended_is_gone() -> None:
    activity, _ = logged_in(Activity(("one",)), "two", "", 1)
    assert without(activity, "one").families == ("two",)
    assert without(activity, "three") == activity
