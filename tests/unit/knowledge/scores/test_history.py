"""What a member did, and what it is worth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.knowledge.scores.history import (
    BEST,
    BLOCKED_AT,
    GRAVE,
    HALF_LIFE,
    MOST_REASONS,
    OTHER,
    SMALL_MOST,
    WORST,
    History,
    Standing,
)


def history(*deeds: tuple[str, float], at: float = 0.0) -> History:
    made = History()
    for what, points in deeds:
        made.note(what, points, at)
    return made


def test_what_a_member_did_counts_half_as_much_an_hour_later() -> None:
    made = history(("forged", -10.0), ("forged", -10.0))
    assert made.value(0.0) == -20.0
    assert made.value(HALF_LIFE) == pytest.approx(-10.0)
    made.note("forged", -10.0, HALF_LIFE)
    assert made.value(HALF_LIFE) == pytest.approx(-20.0)
    assert (made.reasons["forged"].count, made.reasons["forged"].first, made.reasons["forged"].last) == (3, 0.0, HALF_LIFE)


def test_small_faults_alone_never_come_to_a_block_and_grave_ones_do() -> None:
    made = history(*((f"fault-{number % 5}", -1.0) for number in range(1000)))
    assert made.value(0.0) == -SMALL_MOST > BLOCKED_AT
    assert history(*(("forged", GRAVE),) * 12).value(0.0) <= BLOCKED_AT


def test_service_is_no_licence_to_attack() -> None:
    made = history(*(("answered", 1.0),) * 10_000)
    assert made.value(0.0) == BEST
    for _ in range(16):
        made.note("forged", -10.0, 0.0)
    assert made.value(0.0) <= BLOCKED_AT


def test_a_standing_begins_and_ends_at_different_values() -> None:
    made = history(*(("forged", -10.0),) * 2)
    assert made.look(0.0) is Standing.DOUBTFUL
    assert made.look(HALF_LIFE * 0.9) is Standing.DOUBTFUL, "-10.7 is above where it began, and below where it ends"
    assert made.look(HALF_LIFE * 1.1) is Standing.USUAL
    for _ in range(40):
        made.note("answered", 1.0, HALF_LIFE * 1.1)
    assert made.look(HALF_LIFE * 1.1) is Standing.GOOD
    assert made.look(HALF_LIFE * 2.4) is Standing.GOOD
    assert made.look(HALF_LIFE * 4.0) is Standing.USUAL


def test_one_that_is_simply_there_is_good_after_two_hours() -> None:
    made = History()
    for look in range(13):
        made.note("held-a-session", 3.0, 600.0 * look)
    assert made.look(7200.0) is Standing.GOOD


def test_what_is_eased_is_worth_less_and_still_told() -> None:
    made = history(*(("forged", -10.0),) * 9, ("malformed", -10.0))
    made.ease(30.0, 5.0)
    assert made.value(5.0) == pytest.approx(-30.0, abs=0.1)
    assert (made.reasons["forged"].count, made.worst(5.0)) == (9, "forged")
    made.ease(40.0, 5.0)
    assert made.value(5.0) == pytest.approx(-30.0, abs=0.1), "nothing gets worse by being eased"


def test_old_reasons_are_left_out() -> None:
    made = history(("answered", 1.0), ("forged", -10.0))
    assert not made.forget(HALF_LIFE * 6)
    assert set(made.reasons) == {"forged"}
    assert made.forget(HALF_LIFE * 24)
    assert made.worst(HALF_LIFE * 24) == ""


@given(st.lists(st.tuples(st.text(max_size=3), st.floats(-1e9, 1e9), st.floats(0, 1e6)), max_size=60))
def test_whatever_happens_it_stays_within_its_bounds(deeds: list[tuple[str, float, float]]) -> None:
    made = History()
    now = 0.0
    for what, points, passed in deeds:
        now += passed
        made.note(what, points, now)
        assert WORST <= made.value(now) <= BEST
        assert made.look(now) in Standing
    assert len(made.reasons) <= MOST_REASONS + 1
    assert len(made.reasons) <= MOST_REASONS or OTHER in made.reasons
