"""Blocks in virtual time: who is blocked, and for how long."""

from __future__ import annotations

from math import inf

from appliance.knowledge.scores.blocks import FIRST_SECONDS, FORGIVEN_SECONDS, ITSELF, LONGEST_SECONDS, MOST, Block, Blocks

MEMBER, OTHER = b"m" * 32, b"o" * 32


def length(blocks: Blocks, now: float) -> float:
    """Block the member at that time, and see for how long."""
    made = blocks.put_by_itself(MEMBER, "forged", now)
    assert made is not None
    assert blocks.due(made.until) == [(MEMBER, made)]
    return made.until - now


def test_the_next_block_lasts_twice_as_long_up_to_a_day() -> None:
    blocks, now, lengths = Blocks(), 0.0, []
    for _ in range(12):
        lengths.append(length(blocks, now))
        now += lengths[-1] + 60.0
    assert lengths[:4] == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS, 8 * FIRST_SECONDS]
    assert lengths[-1] == LONGEST_SECONDS


def test_a_day_without_one_takes_a_doubling_back() -> None:
    blocks = Blocks()
    for _ in range(3):
        length(blocks, 0.0)
    assert length(blocks, 4 * FIRST_SECONDS + FORGIVEN_SECONDS) == 4 * FIRST_SECONDS
    assert length(blocks, 30 * FORGIVEN_SECONDS) == FIRST_SECONDS
    blocks.due(60 * FORGIVEN_SECONDS)
    assert not blocks.terms, "nothing is remembered of it"


def test_what_somebody_said_lasts_as_long_as_he_said() -> None:
    blocks = Blocks()
    blocks.put(MEMBER, Block("", "root", 0.0, inf))
    blocks.put(OTHER, Block("floods", "root", 0.0, 60.0))
    assert blocks.next_due() == 60.0
    assert [member for member, _ in blocks.due(1e9)] == [OTHER]
    assert blocks.next_due() == inf
    assert blocks.put_by_itself(MEMBER, "forged", 5.0) is None, "it is blocked already"
    taken = blocks.take_back(MEMBER)
    assert taken is not None
    assert not taken.automatic
    assert blocks.take_back(MEMBER) is None


def test_to_take_a_block_back_forgives() -> None:
    blocks = Blocks()
    for _ in range(4):
        length(blocks, 0.0)
    blocks.put_by_itself(MEMBER, "forged", 10_000.0)
    assert blocks.take_back(MEMBER) is not None
    assert length(blocks, 10_000.0) == FIRST_SECONDS


def test_there_is_an_end_to_how_many_there_are_and_a_person_goes_before_the_node() -> None:
    blocks = Blocks()
    for number in range(MOST):
        blocks.put_by_itself(number.to_bytes(32, "big"), "forged", 0.0)
    assert blocks.put_by_itself(MEMBER, "forged", 0.0) is None
    gone = blocks.put(MEMBER, Block("", "root", 0.0, inf))
    assert gone is not None
    assert [member for member, _ in gone] == [bytes(32)], "whoever carries blocks out has to hear of it"
    assert len(blocks) == MOST
    for number in range(1, MOST):
        assert blocks.put(number.to_bytes(32, "big"), Block("", "root", 0.0, inf)) == []
    assert blocks.automatic == 0
    assert blocks.put(OTHER, Block("", "root", 0.0, inf)) is None
    assert ITSELF not in {block.by for block in blocks.all.values()}
