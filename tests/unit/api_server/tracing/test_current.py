"""The step that is being worked at."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from appliance.api_server.tracing.current import current, step, traced, within
from appliance.control.messages import OnBehalf
from appliance.foundation import clock, entropy
from appliance.management.tracing.context import Trace
from appliance.management.tracing.span import Clocks, Kind, Process, Recorder, Span
from appliance.sdk.errors import NodeGone

ALICE = OnBehalf("alice", ("viewer",), "r-1")
RECORDED, UNRECORDED = Trace("a" * 32, "b" * 16, "01"), Trace("a" * 32, "b" * 16, "00")


class Rig:
    def __init__(self) -> None:
        self.kept: list[Span] = []
        self.recorder = Recorder(Process.API, self.kept.append, Clocks(clock.wall, clock.monotonic, entropy.random_bytes))
        self.asked: list[OnBehalf | None] = []
        self.fails: Exception | None = None
        self.ask = traced(self._answer, self.recorder)

    async def _answer(self, op: str, _arguments: dict[str, Any], whose: OnBehalf | None, _seconds: float) -> Any:
        self.asked.append(whose)
        if self.fails is not None:
            raise self.fails
        return op


async def test_a_question_is_a_step_that_the_node_is_told() -> None:
    rig = Rig()
    with within(RECORDED, None):
        assert await rig.ask("status", {}, ALICE, 1.0) == "status"
    (span,) = rig.kept
    assert (span.name, span.kind, span.parent) == ("ask status", Kind.CLIENT, RECORDED.span)
    assert rig.asked == [ALICE._replace(trace=f"00-{RECORDED.trace}-{span.span}-01")]
    assert current() is None


async def test_what_is_not_recorded_is_asked_as_if_there_were_no_traces() -> None:
    rig = Rig()
    for trace in (None, UNRECORDED):
        with within(trace, None):
            await rig.ask("status", {}, ALICE, 1.0)
    with within(RECORDED, None):
        await rig.ask("metrics", {}, None, 1.0)  # the API server's own question
    assert rig.asked == [ALICE, ALICE, None]
    assert [span.name for span in rig.kept] == ["ask metrics"]


async def test_a_step_that_fails_has_the_code_and_no_words() -> None:
    rig = Rig()
    for error, code in (
        (NodeGone("Bearer of bad news"), "NodeGone"),
        (ValueError("secret"), "ValueError"),
        (TimeoutError(), "TimeoutError"),
    ):
        rig.fails = error
        with within(RECORDED, None), pytest.raises(type(error)):
            await rig.ask("status", {}, ALICE, 1.0)
        assert rig.kept[-1].error == code


async def test_a_step_that_is_cancelled_ends() -> None:
    rig = Rig()

    async def work() -> None:
        with within(RECORDED, None), step(rig.recorder, "wait", Kind.INTERNAL, {"a": 1}):
            await asyncio.Event().wait()

    task = asyncio.get_running_loop().create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [(span.name, span.error, span.attributes) for span in rig.kept] == [("wait", "cancelled", {"a": 1})]
