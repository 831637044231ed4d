"""What a node makes of another one's heads."""

from __future__ import annotations

import pytest

from appliance.management.audit.head import Head, SignedHead
from appliance.management.audit.keeping import MOST_HEADS, NodeHeads, Taken
from appliance.protocol.identity import Identity

NODE = Identity.from_seeds(b"\x01" * 32, b"\x02" * 32).public


def head(number: int, time: int | None = None, mark: int = 0, log: str = "0b") -> SignedHead:
    """Its signature was verified before."""
    return SignedHead(Head(log * 16, number, bytes([mark]) * 32, number if time is None else time), NODE, b"")


def test_a_log_that_grows() -> None:
    heads = NodeHeads()
    assert [heads.take(head(number)) for number in (1, 5, 9)] == [Taken.NEW] * 3
    assert heads.take(head(9)) is Taken.KNOWN
    assert [each.head.number for each in heads.ends] == [1, 9]
    assert heads.last_heard == 9


def test_a_head_that_comes_late_is_nothing_new() -> None:
    heads = NodeHeads([head(1), head(9)])
    assert heads.take(head(5)) is Taken.KNOWN
    assert len(heads.all) == 2


@pytest.mark.parametrize("wrong", [head(9, 12, mark=1), head(5, 12), head(1, 12, mark=1)])
def test_a_log_that_did_not_only_grow(wrong: SignedHead) -> None:
    heads = NodeHeads([head(1), head(9)])
    assert heads.take(wrong) is Taken.CONTRADICTS
    assert heads.all[-1] is wrong, "it is proof, with the one before"
    if wrong.head.number != 5:
        assert heads.take(wrong) is Taken.KNOWN


def test_a_log_that_was_begun_anew() -> None:
    heads = NodeHeads([head(1), head(9)])
    assert heads.take(head(1, 20, log="0c")) is Taken.ANEW
    assert heads.take(head(2, 21, log="0c")) is Taken.NEW
    assert len(heads.all) == 4


def test_of_many_the_first_and_the_newest_stay_and_some_between() -> None:
    heads = NodeHeads()
    assert {heads.take(head(number)) for number in range(1, 1000)} == {Taken.NEW}
    numbers = [each.head.number for each in heads.all]
    assert (len(numbers), numbers[0], numbers[-1]) == (MOST_HEADS, 1, 999)
    assert numbers == sorted(numbers)
    assert NodeHeads(heads.all).all == heads.all, "so they come back from the disk"


def test_proofs_are_not_pushed_out() -> None:
    heads = NodeHeads()
    for number in range(MOST_HEADS):
        assert heads.take(head(7, mark=number)) is (Taken.CONTRADICTS if number else Taken.NEW)
    assert heads.take(head(8)) is Taken.FULL
    assert len(heads.all) == MOST_HEADS
