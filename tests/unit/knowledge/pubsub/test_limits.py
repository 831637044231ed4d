"""What one peer, and one author, may make a node do."""

from __future__ import annotations

import pytest
from rigs.stage import ground

from appliance.knowledge.pubsub import limits as module
from appliance.knowledge.pubsub.limits import AUTHOR_RATE, EXCESS, Allowance, Limits
from appliance.knowledge.pubsub.scoring import GRAYLIST

ONE, TWO = b"1" * 32, b"2" * 32


@pytest.mark.parametrize("what", Allowance)
def test_a_burst_and_a_rate_are_allowed_and_the_rest_is_noted(what: Allowance) -> None:
    found = ground()
    limits = Limits(found)
    assert limits.may(ONE, what, 0.0, what.value.at_once)
    assert not limits.may(ONE, what, 0.0)
    assert limits.may(TWO, what, 0.0), "each peer has its own"
    assert limits.may(ONE, what, 1.0, what.value.a_second)
    assert found.counters["too-often"] == 1
    assert [(deed.member, deed.what, deed.points) for deed in found.deeds] == [(ONE, "too-often", -EXCESS)]


def test_a_little_too_much_is_no_matter_and_a_flood_is() -> None:
    found = ground()
    limits = Limits(found)
    limits.may(ONE, Allowance.PARTS, 0.0, Allowance.PARTS.value.at_once)
    for _ in range(20):
        limits.may(ONE, Allowance.PARTS, 0.0)
    assert found.scores.score(ONE, 0.0) == 0
    for _ in range(100):
        limits.may(ONE, Allowance.PARTS, 0.0)
    assert found.scores.score(ONE, 0.0) < GRAYLIST


def test_an_author_has_a_rate_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_AUTHORS", 1)
    limits = Limits(ground())
    allowed = [limits.author_may(ONE, 0.0) for _ in range(int(AUTHOR_RATE.at_once) + 1)]
    assert allowed == [True] * int(AUTHOR_RATE.at_once) + [False]
    assert limits.author_may(TWO, 0.0), "the one that was heard longest ago is forgotten"
    assert limits.author_may(ONE, 0.0)


def test_what_a_peer_used_is_forgotten_with_its_session() -> None:
    limits = Limits(ground())
    limits.may(ONE, Allowance.UNASKED, 0.0, Allowance.UNASKED.value.at_once)
    limits.forget(ONE)
    assert limits.may(ONE, Allowance.UNASKED, 0.0)


def test_what_others_may_have_caused_is_dropped_without_reproach() -> None:
    found = ground()
    limits = Limits(found)
    assert limits.has(ONE, Allowance.BYTES, 0.0, Allowance.BYTES.value.at_once)
    assert not any(limits.has(ONE, Allowance.BYTES, 0.0) for _ in range(200))
    assert found.scores.score(ONE, 0.0) == 0
    assert found.counters["too-many-bytes"] == 200
