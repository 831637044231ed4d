"""The states of an execution, and who is next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.errors import LocalFault
from appliance.management.jobs.execution import (
    MOST_ERROR,
    MOST_RESULT,
    MOVES,
    Execution,
    JobsBusy,
    Limits,
    State,
    StepRecord,
    StepState,
    bounded,
    bounded_error,
    check_room,
    failure,
    next_to_run,
)

STEPS = (StepRecord("one", "health", "node.read"), StepRecord("two", "invite", "enrolment.invite"))
NEW = Execution("id", "trial", 1, "alice", "u1", "api", "08:00", STEPS, {"window": 60})

BOTH = {"node.read", "enrolment.invite"}


def of(by: str, number: int) -> Execution:
    return replace(NEW, id=f"{by}{number}", by=by, user=by)


def test_the_way_of_one_that_succeeds() -> None:
    done = NEW.moved(State.RUNNING, "08:01").moved(State.SUCCEEDED, "08:02")
    assert (done.began, done.ended, done.state.over) == ("08:01", "08:02", True)


@pytest.mark.parametrize("state", [state for state in State if state.over])
def test_nothing_follows_the_end(state: State) -> None:
    assert not MOVES[state]
    with pytest.raises(LocalFault):
        replace(NEW, state=state).moved(State.RUNNING, "08:01")


def test_a_move_that_there_is_not_is_our_own_fault() -> None:
    with pytest.raises(LocalFault):
        NEW.moved(State.SUCCEEDED, "08:01")


def test_every_state_but_the_first_is_reached() -> None:
    assert set().union(*MOVES.values()) == set(State) - {State.QUEUED}


def test_steps_that_were_not_begun_are_skipped_at_the_end() -> None:
    running = NEW.moved(State.RUNNING, "08:01").with_step(0, state=StepState.DONE)
    ended = running.ended_as(State.CANCELLED, "08:02", failure("cancelled", "it was cancelled"))
    assert [step.state for step in ended.steps] == [StepState.DONE, StepState.SKIPPED]
    assert ended.error is not None
    assert ended.progress == {"done": 2, "of": 2}


def test_a_step_that_was_under_way_when_the_process_ended_may_have_been_done_or_not() -> None:
    running = NEW.moved(State.RUNNING, "08:01").with_step(0, state=StepState.RUNNING)
    after = running.interrupted("09:00", "the API server ended")
    assert after.state is State.INTERRUPTED
    assert [step.state for step in after.steps] == [StepState.FAILED, StepState.SKIPPED]
    assert after.steps[0].error is not None
    assert after.steps[0].error["code"] == "interrupted"


def test_it_is_kept_as_json_and_what_a_later_version_adds_is_left_out() -> None:
    document = NEW.document()
    document["steps"][0]["colour"] = document["colour"] = "red"
    assert Execution.of(document) == NEW


def test_an_answer_is_for_whoever_could_have_asked_for_it() -> None:
    done = NEW.with_step(0, result={"ok": True}).with_step(1, result={"code": "secret"})
    results = [[step["result"] for step in done.shown(may.__contains__)["steps"]] for may in (set(), {"node.read"}, BOTH)]
    assert results == [[None, None], [{"ok": True}, None], [{"ok": True}, {"code": "secret"}]]
    assert "steps" not in done.summary()


def test_a_large_answer_is_left_out_and_its_size_told() -> None:
    assert bounded({"ok": True}) == ({"ok": True}, 12)
    result, size = bounded("x" * MOST_RESULT)
    assert (result, size) == (None, MOST_RESULT + 2)


def test_a_large_error_keeps_what_people_read() -> None:
    small = {"code": "A", "message": "b", "hint": "c", "exit": 2, "problems": []}
    assert bounded_error(small) == small
    large = bounded_error(small | {"message": "x" * 10**6, "problems": [{"line": "y" * 10**6}]})
    assert large == {"code": "A", "message": "x" * (MOST_ERROR // 4), "hint": "c", "exit": 2}


def test_the_first_whose_user_has_room_is_next() -> None:
    limits = Limits(at_a_time=3, of_a_user=2)
    waiting = [of("alice", 3), of("bob", 1)]
    assert next_to_run(waiting, [of("alice", 1)], limits) == waiting[0]
    assert next_to_run(waiting, [of("alice", 1), of("alice", 2)], limits) == waiting[1]
    assert next_to_run(waiting, [of("alice", 1), of("alice", 2), of("carol", 1)], limits) is None
    assert next_to_run([], [], limits) is None


def test_one_user_cannot_fill_the_queue() -> None:
    limits = Limits(waiting=3, waiting_of_a_user=2)
    waiting = [of("alice", 1), of("alice", 2)]
    check_room("bob", waiting, limits)
    with pytest.raises(JobsBusy, match="of yours"):
        check_room("alice", waiting, limits)
    with pytest.raises(JobsBusy, match="3 executions wait"):
        check_room("carol", [*waiting, of("bob", 1)], limits)
