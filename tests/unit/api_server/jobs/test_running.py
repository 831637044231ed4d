"""What comes after a step that failed, that was not as expected, or that took too long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from appliance.errors import ApplianceError, ExitCode
from appliance.management.jobs.events import Event
from appliance.management.jobs.execution import Execution, State
from appliance.management.jobs.template import Template
from tests.rigs.virtual_loop import played
from tests.unit.api_server.jobs.house import ALICE, Answer, Node, after, house, states
from tests.unit.management.jobs.written import TRIAL, step, template


class Refused(ApplianceError):
    exit_code = ExitCode.ROLLED_BACK


REFUSED = after(0, error=Refused("the profile has a problem", hint="mend it"))


def run(made: Template, given: Mapping[str, Any] | None = None, **answers: Answer) -> tuple[Execution, Node, list[str]]:
    """The execution once it is over, the node, and the lines of output."""

    async def story() -> tuple[Execution, Node, list[str]]:
        node = Node(templates={made.name: made}, answers=answers)
        async with house(node=node) as here:
            begun = await here.jobs.start(ALICE, made.name, given or {})
            told = [event async for event in here.jobs.follow(begun.id, None)]
            lines = [json.loads(event.text)["line"] for event in told if isinstance(event, Event) and event.kind == "output"]
            return await here.jobs.get(begun.id), node, lines

    return played(story())


def in_turn(*answers: Any) -> Answer:
    left = list(answers)

    async def answered(_arguments: Mapping[str, Any]) -> Any:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return answered


def test_a_failure_ends_it_and_says_why() -> None:
    ended, node, _ = run(TRIAL, reload=REFUSED)
    assert ended.state is State.FAILED
    assert states(ended) == ["failed", "skipped", "skipped"]
    assert (
        ended.error
        == ended.steps[0].error
        == {"code": "Refused", "message": "the profile has a problem", "hint": "mend it", "exit": 4}
    )
    assert node.deeds == ["reload"]


def test_when_nothing_is_left_to_do_it_has_succeeded_and_nothing_is_taken_back() -> None:
    made = template(
        step("reload", end_if={"awaits_confirmation": False}, undo={"operation": "rollback"}), step("confirm", on_failure="undo")
    )
    ended, node, _ = run(made, reload=after(0, {"awaits_confirmation": False}), confirm=REFUSED)
    assert (ended.state, states(ended), ended.error) == (State.SUCCEEDED, ["done", "skipped"], None)
    assert node.deeds == ["reload"]
    ended, node, _ = run(made, reload=after(0, {"awaits_confirmation": True}))
    assert (ended.state, node.deeds) == (State.SUCCEEDED, ["reload", "confirm"])


def test_a_failure_may_be_none_of_the_next_steps_business() -> None:
    ended, node, _ = run(template(step("peers", on_failure="continue"), step("health")), peers=REFUSED)
    assert (ended.state, states(ended), node.deeds) == (State.SUCCEEDED, ["failed", "done"], ["peers", "health"])


def test_what_was_done_is_undone_the_last_first_and_an_undo_that_fails_stops_no_other() -> None:
    made = template(
        step("reload", undo={"operation": "rollback"}),
        step("peers"),
        step("invite", arguments={"name": "x"}, undo={"operation": "confirm"}),
        step("health", on_failure="undo"),
    )
    ended, node, _ = run(made, health=REFUSED, confirm=REFUSED)
    assert ended.state is State.FAILED
    assert node.deeds == ["reload", "peers", "invite", "health", "confirm", "rollback"]
    assert states(ended) == ["undone", "done", "undo_failed", "failed"]


def test_it_waits_until_the_node_is_well() -> None:
    ended, node, lines = run(TRIAL, health=in_turn({"ok": False}, Refused("not now"), {"ok": False}, {"ok": True, "ready": True}))
    assert ended.state is State.SUCCEEDED
    assert node.deeds == ["reload", "health", "health", "health", "health", "confirm"]
    assert lines == [
        f"not yet: {why}" for why in ("answer.ok is false, expected true", "not now", "answer.ok is false, expected true")
    ]


def test_but_not_for_ever_and_then_the_profile_before_comes_back() -> None:
    ended, node, lines = run(TRIAL, health=in_turn({"ok": False}))
    assert ended.state is State.FAILED
    assert ended.error is not None
    assert (ended.error["code"], ended.error["message"]) == ("NotAsExpected", "answer.ok is false, expected true")
    assert node.deeds == ["reload", *["health"] * 11, "rollback"]
    assert lines == ["not yet: answer.ok is false, expected true"], "what is not new is not said again"


def test_an_answer_that_is_no_mapping_is_an_answer() -> None:
    ended, _, _ = run(template(step("peers")), peers=after(0, [1, 2]))
    assert (ended.state, ended.steps[0].result) == (State.SUCCEEDED, [1, 2])


def test_time_is_bounded() -> None:
    ended, _, _ = run(template(step("health"), timeout="5min"), health=after(3600))
    assert ended.state is State.FAILED
    assert ended.error is not None
    assert ended.error["code"] == "timed-out"
    assert (ended.began, ended.ended) == ("2023-11-14T22:30:00.000Z", "2023-11-14T22:35:00.000Z")


def test_a_step_that_changes_something_is_waited_for_beyond_its_time() -> None:
    ended, node, _ = run(template(step("reload"), step("health"), timeout="5min"), reload=after(600, {"ok": True}))
    assert (ended.state, states(ended)) == (State.FAILED, ["done", "skipped"])
    assert node.deeds == ["reload"]


def test_a_mistake_of_ours_is_the_steps_failure_and_tells_no_text_of_it() -> None:
    ended, _, _ = run(template(step("health")), health=after(0, error=KeyError("hunter2")))
    assert ended.state is State.FAILED
    assert ended.error is not None
    assert ended.error["code"] == "OperationFailed"
    assert "hunter2" not in str(ended.error)


def test_an_answer_that_is_large_is_left_out() -> None:
    ended, _, _ = run(template(step("peers")), peers=after(0, ["x" * 100_000]))
    assert (ended.steps[0].result, ended.steps[0].result_bytes) == (None, 100_004)


def test_errors_of_operations_tell_no_secrets() -> None:
    made = template(
        step("invite", arguments={"name": "${pin}"}), parameters={"pin": {"type": "text", "secret": True, "required": True}}
    )
    ended, _, _ = run(made, {"pin": "hunter2"}, invite=after(0, error=Refused("hunter2 is no name", hint="not hunter2")))
    assert ended.error is not None
    assert (ended.error["message"], ended.error["hint"]) == ("[secret] is no name", "not [secret]")


def test_a_pause_is_given_up_when_it_is_cancelled() -> None:
    async def story() -> None:
        node = Node(templates={"p": template(step("health", pause="1h"), name="p")})
        async with house(node=node) as here:
            begun = await here.jobs.start(ALICE, "p", {})
            await asyncio.sleep(1)
            await here.jobs.cancel(begun.id)
            ended = await here.over(begun)
            assert (ended.state, states(ended), node.asked) == (State.CANCELLED, ["skipped"], [])

    played(story())
