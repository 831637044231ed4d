"""The journal's lines, and what they add up to after a crash at any byte."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.api.planning import Action, Step
from appliance.apply.records import HEAD_BYTES, Damaged, decode, encode, encode_head, replay
from appliance.planning.render import step_to_json
from appliance.planning.revert import step


def adding(number: int) -> Step:
    args = {"link": "llp0", "address": f"10.8.0.{number}/24"}
    return step(Action("address.add", args), Action("address.remove", args))


STEPS = [adding(1), adding(2)]
BEGIN = {"kind": "begin", "steps": [step_to_json(one) for one in STEPS], "confirm_within": None, "boot_id": "b", "netns": 7}
STORY = [
    {**BEGIN, "generation": 1},
    {"kind": "will", "generation": 1, "steps": [0]},
    {"kind": "will", "generation": 1, "steps": [1]},
    {"kind": "applied", "generation": 1},
    {**BEGIN, "generation": 2, "confirm_within": 60.0},
    {"kind": "will", "generation": 2, "steps": [0]},
    {"kind": "undoing", "generation": 2},
    {"kind": "undone", "generation": 2, "steps": [0]},
    {"kind": "reverted", "generation": 2},
]


def test_an_apply_in_force() -> None:
    state = replay(STORY[:4])
    assert state.in_force == STEPS
    assert state.interrupted() is None
    assert (state.boot_id, state.netns) == ("b", 7)


def test_an_apply_that_was_cut_short() -> None:
    state = replay(STORY[:3])
    assert state.in_force == STEPS
    assert state.interrupted() == 1


def test_an_announced_step_counts_as_done() -> None:
    assert replay(STORY[:2]).in_force == STEPS[:1]


def test_an_undo_that_was_cut_short_goes_on_from_there() -> None:
    for length in (7, 8):
        assert replay(STORY[:length]).interrupted() == 2
    assert replay(STORY[:8]).in_force == STEPS


def test_an_undone_change_leaves_what_was_before() -> None:
    state = replay(STORY)
    assert state.in_force == STEPS
    assert state.interrupted() is None
    assert [generation.number for generation in state.generations] == [1]


def test_confirmation() -> None:
    assert replay(STORY[:5]).generations[1].awaits_confirmation
    assert not replay([*STORY[:5], {"kind": "confirmed", "generation": 2}]).generations[1].awaits_confirmation


def journal(story: list[dict[str, object]], promised: int | None = None) -> bytes:
    """The file that tells this story; its head promises so many records."""
    return encode_head(len(story) if promised is None else promised) + b"".join(encode(record) for record in story)


@given(st.integers(0, len(STORY) - 1), st.data())
def test_a_line_that_a_crash_has_torn_is_as_if_never_written(records: int, data: st.DataObject) -> None:
    whole = journal(STORY[: records + 1], records)
    length = data.draw(st.integers(len(journal(STORY[:records])), len(whole) - 1))
    assert decode(whole[:length]) == (STORY[:records], len(journal(STORY[:records])))


def test_a_record_that_the_head_does_not_count_yet_counts() -> None:
    assert decode(journal(STORY, len(STORY) - 1))[0] == STORY


@given(st.integers(0, len(journal(STORY)) - 1))
def test_a_journal_that_lost_its_end_is_damaged(length: int) -> None:
    with pytest.raises(Damaged):
        decode(journal(STORY)[:length])


@given(st.integers(0, 8 * len(journal(STORY)) - 1))
def test_a_flipped_bit_is_noticed_wherever_it_is(bit: int) -> None:
    data = bytearray(journal(STORY))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Damaged):
        decode(bytes(data))


@given(st.binary(max_size=300))
def test_rubbish_is_no_journal(data: bytes) -> None:
    with pytest.raises(Damaged):
        decode(data)
    with pytest.raises(Damaged):
        decode(journal(STORY) + data + b"\n")


def test_another_version_is_said() -> None:
    text = b"appliance journal 3, records 0000000009"
    line = b"%08x %s\n" % (zlib.crc32(text), text)
    assert len(line) == HEAD_BYTES
    with pytest.raises(Damaged, match="another version"):
        decode(line + journal(STORY)[HEAD_BYTES:])


NONSENSE: list[dict[str, object]] = [
    {},
    {"kind": "will"},
    {"kind": "will", "generation": 1, "steps": [2]},
    {"kind": "will", "generation": 1, "steps": [-1]},
    {"kind": "will", "generation": 1, "steps": [True]},
    {"kind": "undone", "generation": 1, "steps": [0]},
    {"kind": "applied", "generation": 7},
    {"kind": "unheard of", "generation": 1},
    {**BEGIN, "generation": 1},
    {**BEGIN, "generation": "2"},
    {**BEGIN, "generation": 2, "boot_id": 3},
    {**BEGIN, "generation": 2, "netns": None},
    {**BEGIN, "generation": 2, "confirm_within": "soon"},
    {**BEGIN, "generation": 2, "steps": [{"summary": ""}]},
    {**BEGIN, "generation": 2, "steps": [{**step_to_json(STEPS[0]), "undo": {"verb": "rm", "args": {}}}]},
    {**BEGIN, "generation": 2, "steps": [{**step_to_json(STEPS[0]), "undo": {"verb": "link.delete", "args": "llp0"}}]},
]


@pytest.mark.parametrize("record", NONSENSE, ids=str)
def test_records_that_make_no_sense(record: dict[str, object]) -> None:
    with pytest.raises(Damaged, match="record 2"):
        replay([STORY[0], record])


def test_lines_that_are_no_records() -> None:
    for text in (b"[]", b"3", b"not json", b"[" * 100_000):
        with pytest.raises(Damaged, match="record 1 of 1"):
            decode(encode_head(1) + b"%08x %s\n" % (zlib.crc32(text), text))
