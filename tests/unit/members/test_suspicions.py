from __future__ import annotations

import pytest

from appliance.members.claims import Claim
from appliance.members.suspicions import CONFIRMATIONS, LONGEST, SHORTEST, Suspicions
from tests.unit.members.rows import member

TARGET = member("target")


def claim(by: str, sequence: int = 1) -> Claim:
    return Claim(TARGET, sequence, member(by), by.encode())


def accused(*by: str, voices: int = 6) -> Suspicions:
    found = Suspicions()
    for name in by:
        found.add(claim(name), voices, 100.0)
    return found


def test_one_voice_waits_long_and_each_further_one_less() -> None:
    waits = [accused(*"abcdef"[:number]).next_due() for number in range(1, 6)]
    assert waits[0] == 100.0 + LONGEST
    assert waits[CONFIRMATIONS] == waits[4] == 100.0 + SHORTEST
    assert waits == sorted(waits, reverse=True)  # type: ignore[type-var]


@pytest.mark.parametrize(("voices", "wait"), [(1, SHORTEST), (2, LONGEST), (6, LONGEST)])
def test_who_has_nobody_else_to_ask_waits_for_nobody(voices: int, wait: float) -> None:
    assert accused("a", voices=voices).next_due() == 100.0 + wait


def test_it_runs_out_and_is_cleared_by_a_later_row_or_a_sign_of_life() -> None:
    found = accused("a")
    assert found.expire(100.0 + LONGEST - 1) == []
    assert found.expire(100.0 + LONGEST) == [TARGET]
    assert found.clear(TARGET, 1) == (False, False)
    assert found.clear(TARGET, 2) == (False, True)
    found = accused("a")
    assert found.clear(TARGET) == (True, False)
    assert found.next_due() is None


def test_what_is_news() -> None:
    found = accused("a")
    assert not found.is_news(TARGET, 1, member("a"))
    assert found.is_news(TARGET, 1, member("b"))
    assert found.is_news(TARGET, 2, member("a"))
    assert not accused(*"abcd").is_news(TARGET, 1, member("e")), "enough said so"
    found.expire(1000.0)
    assert not found.is_news(TARGET, 1, member("b"))
    assert found.is_news(TARGET, 2, member("b"))


def test_a_voice_that_comes_late_shortens_no_more_than_to_now() -> None:
    found = accused("a")
    for name in "bcd":
        found.add(claim(name), 6, 110.0)
    assert found.next_due() == 110.0


def test_sleep_gives_everybody_as_much_longer() -> None:
    found = accused("a")
    found.shift(5.0)
    assert found.next_due() == 105.0 + LONGEST


def test_one_claim_about_each_is_told_and_who_left_is_forgotten() -> None:
    found = accused("a", "b")
    assert found.claims() == [claim("a")]
    found.expire(1000.0)
    assert found.claims() == [claim("a")]
    found.keep({})
    assert found.claims() == []
