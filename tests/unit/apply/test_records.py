"""The journal's lines, and what they add up to after a crash at any byte."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.api.planning import Action, Step
from appliance.apply.records import decode, encode, replay
from appliance.planning.render import step_to_json
from appliance.planning.revert import step


def adding(number: int) -> Step:
    args = {"link": "llp0", "address": f"10.8.0.{number}/24"}
    return step(Action("address.add", args), Action("address.remove", args))


STEPS = [adding(1), adding(2)]
BEGIN = {"kind": "begin", "steps": [step_to_json(one) for one in STEPS], "confirm_within": None, "boot_id": "b", "netns": 7}
STORY = [
    {**BEGIN, "generation": 1},
    {"kind": "will", "generation": 1, "step": 0},
    {"kind": "will", "generation": 1, "step": 1},
    {"kind": "applied", "generation": 1},
    {**BEGIN, "generation": 2, "confirm_within": 60.0},
    {"kind": "will", "generation": 2, "step": 0},
    {"kind": "undoing", "generation": 2},
    {"kind": "undone", "generation": 2, "step": 0},
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


@given(st.integers(0, sum(len(encode(record)) for record in STORY)))
def test_a_torn_line_is_as_if_never_written(length: int) -> None:
    data = b"".join(encode(record) for record in STORY)[:length]
    records, sound = decode(data)
    assert records == STORY[: len(records)]
    assert data[:sound] == b"".join(encode(record) for record in records)
    replay(records)


@given(st.binary(max_size=300))
def test_rubbish_is_no_journal(data: bytes) -> None:
    assert decode(data) == ([], 0)


def test_what_follows_a_damaged_line_does_not_count() -> None:
    lines = [encode(record) for record in STORY]
    lines[2] = lines[2].replace(b"will", b"Will")
    assert decode(b"".join(lines)) == (STORY[:2], len(lines[0]) + len(lines[1]))
