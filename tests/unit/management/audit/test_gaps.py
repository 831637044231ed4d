"""Numbers that are missing, until they turn up."""

from __future__ import annotations

from appliance.management.audit.gaps import Gaps


def test_what_turns_up_is_missing_no_more() -> None:
    gaps = Gaps()
    gaps.add(5, 9, "1.audit", 3)
    assert [gaps.fill(number) for number in (7, 4, 7, 5)] == [True, False, False, True]
    assert list(gaps.left()) == [(6, 6, "1.audit", 3), (8, 9, "1.audit", 3)]
