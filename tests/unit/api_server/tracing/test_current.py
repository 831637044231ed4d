"""The step that is being worked at."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from appliance.api_server.tracing.current import Place, asked, here, resumed, step, traced, within
from appliance.control.messages import OnBehalf
from appliance.management.tracing.span import Kind
from appliance.sdk.errors import NodeGone
from tests.rigs.recording import RECORDED, UNRECORDED, recorded, recording

ALICE = OnBehalf("alice", ("viewer",), "r-1")


class Node:
    """Says what it was asked for whom."""

    def __init__(self) -> None:
        self.asked: list[OnBehalf | None] = []
        self.fails: Exception | None = None

    async def ask(self, op: str, _arguments: dict[str, Any], whose: OnBehalf | None, _seconds: float) -> Any:
        self.asked.append(whose)
        if self.fails is not None:
            raise self.fails
        return op


async def test_a_question_is_a_step_that_the_node_is_told() -> None:
    node = Node()
    with recorded() as kept:
        assert await traced(node.ask)("status", {}, ALICE, 1.0) == "status"
    (span,) = kept
    assert (span.name, span.kind, span.parent) == ("ask status", Kind.CLIENT, RECORDED.span)
    assert node.asked == [ALICE._replace(trace=f"00-{RECORDED.trace}-{span.span}-01")]
    assert here() is None


async def test_what_is_not_recorded_is_asked_as_if_there_were_no_traces() -> None:
    node = Node()
    ask = traced(node.ask)
    with recording() as (recorder, kept):
        for place in (None, Place(UNRECORDED, recorder)):
            with within(place, None):
                await ask("status", {}, ALICE, 1.0)
        with within(Place(RECORDED, recorder), None):
            await ask("metrics", {}, None, 1.0)  # the API server's own question
    assert node.asked == [ALICE, ALICE, None]
    assert [span.name for span in kept] == ["ask metrics"]


async def test_steps_stand_within_each_other() -> None:
    with recorded() as kept, step("outer"):
        with step("first", attributes={"a": 1}):
            pass
        with step("second"):
            pass
    first, second, outer = kept
    assert (first.parent, second.parent, outer.parent) == (outer.span, outer.span, RECORDED.span)
    assert (first.attributes, second.attributes) == ({"a": 1}, {})


async def test_work_that_goes_on_later_is_a_step_of_what_asked_for_it() -> None:
    with recorded() as kept:
        place = here()
    for where in (place, None):
        with recorded() as others, resumed(where, "job look", {}), step("commit"):
            pass
        assert not others, "it belongs to the trace of another request, or to none"
    assert [(span.name, span.parent) for span in kept] == [("commit", kept[1].span), ("job look", RECORDED.span)]


async def test_one_request_of_many_on_a_connection() -> None:
    with asked(None, str(RECORDED), "ws status", {}), step("commit") as span:
        assert span is None
    with recording() as (recorder, kept):
        with asked(recorder, str(RECORDED), "ws status", {"a": 1}), step("commit"):
            pass
        with asked(recorder, str(UNRECORDED), "ws status", {}), step("commit"):
            pass
    assert [(span.name, span.attributes) for span in kept] == [("commit", {}), ("ws status", {"a": 1})]
    assert kept[1].parent == RECORDED.span


async def test_a_step_that_fails_has_the_code_and_no_words() -> None:
    node = Node()
    for error, code in (
        (NodeGone("Bearer of bad news"), "NodeGone"),
        (ValueError("secret"), "ValueError"),
        (TimeoutError(), "TimeoutError"),
    ):
        node.fails = error
        with recorded() as kept, pytest.raises(type(error)):
            await traced(node.ask)("status", {}, ALICE, 1.0)
        assert kept[-1].error == code


async def test_a_step_that_is_cancelled_ends() -> None:
    with recorded() as kept:

        async def work() -> None:
            with step("wait"):
                await asyncio.Event().wait()

        task = asyncio.get_running_loop().create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [(span.name, span.error) for span in kept] == [("wait", "cancelled")]
