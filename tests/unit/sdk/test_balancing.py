"""Who gets the next call."""

from __future__ import annotations

import random
from collections import Counter

from appliance.sdk.resilience.balancing import Balancer, Balancing, Candidate


def balancer(*candidates: Candidate, way: Balancing = Balancing.LEAST_LOADED) -> Balancer:
    made = Balancer(way, random.Random(3).random)
    made.update(candidates or [Candidate(name) for name in "abc"])
    return made


def picks(made: Balancer, count: int, now: float = 1.0) -> Counter[str | None]:
    """Calls that end at once."""
    seen: Counter[str | None] = Counter()
    for _ in range(count):
        node = made.pick(now)
        seen[node] += 1
        if node is not None:
            made.done(node)
    return seen


def test_in_turn() -> None:
    assert picks(balancer(way=Balancing.ROUND_ROBIN), 30) == {"a": 10, "b": 10, "c": 10}


def test_the_one_with_the_fewest_under_way() -> None:
    made = balancer()
    assert Counter(made.pick(1) for _ in range(9)) == {"a": 3, "b": 3, "c": 3}
    made.done("b")
    assert made.pick(1) == "b"


def test_of_several_idle_ones_any() -> None:
    assert all(50 < count < 150 for count in picks(balancer(), 300).values())


def test_nobody_is_there() -> None:
    made = balancer()
    made.update([])
    assert made.pick(1) is None
    assert made.degraded(1) == "no instance is there"


def test_one_that_says_it_fails_gets_nothing_while_others_are_there() -> None:
    made = balancer(Candidate("a", healthy=False), Candidate("b"))
    assert picks(made, 20) == {"b": 20}
    made.update([Candidate("a", healthy=False)])
    assert picks(made, 5) == {"a": 5}
    assert made.degraded(1) == "degraded: all say that they fail"


def test_traffic_leaves_an_overloaded_one_by_itself_and_comes_back() -> None:
    made = balancer(Candidate("a", load=95), Candidate("b", load=20))
    assert picks(made, 20) == {"b": 20}
    made.update([Candidate("a", load=95), Candidate("b", load=97)])
    assert picks(made, 40).keys() == {"a", "b"}
    made.update([Candidate("a", load=10), Candidate("b", load=97)])
    assert picks(made, 20) == {"a": 20}


def test_a_retry_goes_elsewhere_if_there_is_an_elsewhere() -> None:
    made = balancer()
    assert {made.pick(1, avoid=["a", "b"]) for _ in range(10)} == {"c"}
    made.update([Candidate("a")])
    assert made.pick(1, avoid=["a"]) == "a"


def test_all_ejected_is_said_and_still_somebody_is_asked() -> None:
    made = balancer()
    for name in "abc":
        for _ in range(5):
            made.ejections.failed(name, 1)
    assert made.pick(1) is not None
    assert made.degraded(1) == "degraded: all ejected"
    assert made.report(1)["instances"]["b"]["ejected"] == "5 calls in a row failed"
    assert made.degraded(32) == ""


def test_one_killed_one_slow_one_lying_about_its_health() -> None:
    """The liar says that it works and refuses every call; within two intervals calls go to the slow one alone, since the others
    are worse, and with a good fourth, to that one."""
    made = balancer()
    seconds = {"b": 0.8, "d": 0.01}

    def run(begin: float, end: float) -> Counter[str]:
        seen: Counter[str] = Counter()
        now = begin
        while now < end:
            node = made.pick(now)
            assert node is not None
            seen[node] += 1
            if node in seconds:
                made.ejections.succeeded(node, seconds[node], now)
            else:
                made.ejections.failed(node, now)
            made.done(node)
            now += 0.1
        return seen

    run(0, 10)
    assert run(10, 25).keys() == {"b"}
    made.update([Candidate(name) for name in "abcd"])
    run(25, 29)
    run(90, 110)
    assert run(110, 115).keys() == {"d"}
