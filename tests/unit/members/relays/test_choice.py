"""Which of several relays is taken."""

from __future__ import annotations

from collections import Counter

from appliance.members.relays.choice import MOST_KNOWN, Choice


def measured(**seconds: float) -> Choice:
    choice = Choice()
    for relay, trip in seconds.items():
        choice.measured(relay, trip, 0.0)
    return choice


def test_the_nearest_is_first_and_an_unknown_one_between_near_and_far() -> None:
    choice = measured(near=0.01, far=0.4)
    assert choice.order(["far", "new", "near"], "pair") == ["near", "new", "far"]
    assert choice.order([], "pair") == []


def test_a_busy_relay_counts_as_a_far_one() -> None:
    choice = measured(near=0.01, other=0.03)
    assert choice.order(["near", "other"], "pair")[0] == "near"
    for _ in range(9):
        choice.measured("near", 0.01, 1.0)
    assert choice.order(["near", "other"], "pair")[0] == "other"


def test_the_current_one_stays_until_another_is_clearly_better() -> None:
    choice = measured(old=0.050, new=0.046)
    assert choice.order(["old", "new"], "pair", "old")[0] == "old"
    for _ in range(40):
        choice.measured("new", 0.030, 0.0)
    assert choice.order(["old", "new"], "pair", "old")[0] == "new"
    assert choice.order(["old", "new"], "pair", "gone")[0] == "new"


def test_jitter_moves_nobody() -> None:
    choice = measured(a=0.040, b=0.040)
    current = choice.order(["a", "b"], "pair")[0]
    for step in range(100):
        choice.measured("a", 0.037 if step % 2 else 0.043, 0.0)
        choice.measured("b", 0.043 if step % 2 else 0.037, 0.0)
        assert choice.order(["a", "b"], "pair", current)[0] == current


def test_pairs_share_the_relays_that_are_as_good_and_both_ends_agree() -> None:
    one, other = measured(a=0.010, b=0.011, c=0.012), measured(a=0.012, b=0.010, c=0.011)
    first = Counter(one.order("abc", f"pair {number}")[0] for number in range(300))
    assert all(first[relay] > 60 for relay in "abc")
    assert all(one.order("abc", f"pair {n}")[0] == other.order("abc", f"pair {n}")[0] for n in range(300))


def test_a_relay_that_was_lost_is_as_an_unknown_one_and_memory_is_bounded() -> None:
    choice = measured(near=0.01)
    choice.lost("near")
    assert choice.known() == {}
    for number in range(MOST_KNOWN + 10):
        choice.measured(f"r{number}", 0.1, 0.0)
    assert len(choice.known()) == MOST_KNOWN
