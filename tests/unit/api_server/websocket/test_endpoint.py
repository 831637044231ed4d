"""What a WebSocket may be asked for, and by whom."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api_server.asking import Asking
from appliance.api_server.caller import Caller, Forbidden
from appliance.api_server.jobs.handlers import TOPICS
from appliance.api_server.problems import Invalid, NotFound
from appliance.api_server.tracing.current import traced
from appliance.api_server.websocket.endpoint import WebSocketEndpoint
from appliance.management.iam.roles import permits
from appliance.management.tracing.span import Recorder
from appliance.management.websocket.messages import Broadcast, Question, Subscribe
from tests.rigs.recording import recording

VIEWER, OPERATOR = Caller("v", ("viewer",), "access-token"), Caller("o", ("operator",), "access-token")


class Jobs:
    """Both streams, and what was asked of them."""

    def __init__(self) -> None:
        self.events = self.jobs = self
        self.asked: list[Any] = []

    async def follow(self, what: Any, *more: Any) -> Any:
        self.asked.append((what, *more))
        return
        yield

    def publish(self, kind: str, data: Any) -> None:
        self.asked.append((kind, data))


def deeds(jobs: Any, recorder: Recorder | None = None) -> Any:
    async def node(op: str, _arguments: Any, whose: Any, _seconds: float, /) -> Any:
        return {"op": op, "for": whose.name}

    async def bearer(_token: str) -> Caller:
        return VIEWER

    may = lambda caller, permission: permits(caller.roles, permission)  # noqa: E731
    ask = node if recorder is None else traced(node)
    return WebSocketEndpoint(Asking(ask, lambda: 0.0), bearer, jobs, may, recorder)._deeds


async def test_a_viewer_follows_what_he_may_see_and_nothing_of_the_audit_log() -> None:
    jobs = Jobs()
    async for _ in deeds(jobs).follow(VIEWER, Subscribe(id=1, after=3)):
        pass
    assert jobs.asked == [(3, set(TOPICS) - {"audit"})]
    async for _ in deeds(jobs).follow(VIEWER, Subscribe(id=1, topics=["audit", "jobs"])):
        pass
    assert jobs.asked[-1] == (None, {"jobs"})


async def test_the_node_is_asked_for_the_user() -> None:
    assert await deeds(Jobs()).ask(VIEWER, Question(id=1, operation="status")) == {"op": "status", "for": "v"}


async def test_each_question_is_a_step_of_its_own_trace_or_of_the_callers() -> None:
    with recording() as (recorder, kept):
        recorder.sample = 1.0
        asked = deeds(Jobs(), recorder)
        await asked.ask(VIEWER, Question(id=1, operation="crypto", traceparent=f"00-{'a' * 32}-{'b' * 16}-01"))
        await asked.ask(VIEWER, Question(id=2, operation="profile"))
        with pytest.raises(Forbidden):
            await asked.ask(VIEWER, Question(id=3, operation="reload"))
    assert [(span.name, span.error) for span in kept] == [
        ("ask crypto", ""),
        ("ws crypto", ""),
        ("ask profile", ""),
        ("ws profile", ""),
        ("ws reload", "Forbidden"),
    ]
    assert [span.parent for span in kept if span.name.startswith("ws")] == ["b" * 16, "", ""]
    assert len({span.trace for span in kept}) == 3
    assert kept[0].parent == kept[1].span


@pytest.mark.parametrize(
    ("caller", "operation", "arguments", "error"),
    [
        (VIEWER, "reload", {}, Forbidden),
        (OPERATOR, "users.list", {}, NotFound),
        (OPERATOR, "nix", {}, NotFound),
        (OPERATOR, "lookup", {}, Invalid),
        (OPERATOR, "status", {"x": 1}, Invalid),
        (OPERATOR, "reload", {"confirm_within": "60"}, Invalid),
    ],
)
async def test_what_is_refused(caller: Caller, operation: str, arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        await deeds(Jobs()).ask(caller, Question(id=1, operation=operation, arguments=arguments))


def test_only_an_operator_says_something_to_all() -> None:
    jobs = Jobs()
    with pytest.raises(Forbidden):
        deeds(jobs).broadcast(VIEWER, Broadcast(id=1, data={}))
    deeds(jobs).broadcast(OPERATOR, Broadcast(id=1, data={"text": "tea"}))
    assert jobs.asked == [("events.broadcast", {"by": "o", "data": {"text": "tea"}})]
