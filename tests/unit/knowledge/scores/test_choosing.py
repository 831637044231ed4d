"""In which order members are asked: over many draws, and by a fixed seed."""

from __future__ import annotations

import random
from collections import Counter

from appliance.knowledge.scores.choosing import Candidate, order

GOOD, USUAL, BUSY, DOUBTFUL = b"g" * 32, b"u" * 32, b"b" * 32, b"d" * 32


def firsts(*candidates: Candidate, times: int = 4000) -> Counter[bytes]:
    """How often each is the first."""
    chance = random.Random(7).random
    return Counter(order(candidates, chance)[0] for _ in range(times))


def test_all_are_there_once() -> None:
    found = order([Candidate(GOOD, 100.0), Candidate(USUAL, 0.0), Candidate(DOUBTFUL, -100.0, 255, last=True)], lambda: 0.0)
    assert sorted(found) == sorted([GOOD, USUAL, DOUBTFUL])


def test_load_is_shared_and_good_ones_have_the_larger_share() -> None:
    found = firsts(Candidate(GOOD, 100.0), Candidate(USUAL, 0.0))
    assert 3.5 < found[GOOD] / found[USUAL] < 4.5
    alike = firsts(*(Candidate(bytes([number]) * 32, 50.0) for number in range(10)))
    assert all(300 < times < 500 for times in alike.values())


def test_one_that_is_busy_is_asked_seldom() -> None:
    found = firsts(Candidate(GOOD, 100.0, load=255), Candidate(BUSY, 100.0, load=0))
    assert 8 < found[BUSY] / found[GOOD] < 12


def test_one_that_is_doubtful_or_silent_comes_last_whatever_is_drawn() -> None:
    assert firsts(Candidate(GOOD, 100.0, last=True), Candidate(DOUBTFUL, -59.0)) == {DOUBTFUL: 4000}
