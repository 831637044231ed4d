"""Operations of plugins over HTTP: found by their names, judged by their permissions, streams with a beat."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest

from appliance.api_server.answering import Call
from appliance.api_server.caller import Caller, Forbidden
from appliance.api_server.plugins.operations import MOST_WAITING, PluginOperations, steps
from appliance.api_server.problems import BadRequest, NotFound
from appliance.errors import HostError
from appliance.management.jobs.events import HEARTBEAT, Beat, Event
from appliance.management.operations.table import BY_NAME
from tests.rigs.virtual_loop import played

ALICE = Caller("alice", ("viewer",), "token", "u1")
KNOWN = [
    {"name": "mesh.routes", "permission": "node.read", "stream": False, "seconds": 3.0},
    {"name": "mesh.changes", "permission": "node.read", "stream": True, "seconds": 10.0},
    {"name": "mesh.burn", "permission": "mesh.burn", "stream": False, "seconds": 10.0},
]


class Node:
    """Has three operations of plugins."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, Any], str, float]] = []

    async def ask(self, op: str, arguments: Mapping[str, Any], whose: Any, seconds: float) -> Any:
        if op == "operations":
            assert whose is None
            return KNOWN
        self.asked.append((op, arguments, whose.name, seconds))
        return ["a way"]

    async def follow(self, op: str, arguments: Mapping[str, Any], whose: Any) -> AsyncGenerator[Any, None]:
        self.asked.append((op, arguments, whose.name, 0.0))
        yield 1
        yield {"two": 2}


def call(row: str, operation: str, **more: Any) -> Call:
    arguments = BY_NAME[row].arguments.model_validate({"operation": operation, **more})
    request: Any = None
    return Call(BY_NAME[row], ALICE, arguments, request, "r1")


async def still(_call: Call) -> bool:
    return True


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def operations(node: Node) -> PluginOperations:
    return PluginOperations(node.ask, node.follow, lambda _caller, permission: permission == "node.read", still)  # type: ignore[arg-type]


async def test_the_node_is_asked_for_the_caller(operations: PluginOperations, node: Node) -> None:
    answer = await operations.handlers["operations.ask"](call("operations.ask", "mesh.routes", arguments={"peer": "x"}))
    assert answer == {"answer": ["a way"]}
    assert node.asked == [("mesh.routes", {"peer": "x"}, "alice", 8.0)]


@pytest.mark.parametrize(
    ("row", "operation", "error"),
    [
        ("operations.ask", "mesh.gone", NotFound),
        ("operations.ask", "mesh.changes", NotFound),
        ("operations.follow", "mesh.routes", NotFound),
        ("operations.ask", "mesh.burn", Forbidden),
    ],
)
async def test_what_is_not_there_or_not_allowed_is_not_asked(
    operations: PluginOperations, node: Node, row: str, operation: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await operations.handlers[row](call(row, operation))
    assert not node.asked


@pytest.mark.parametrize("name", ["stop", "reload", "api_settings", "..", "mesh.", "Mesh.x", "mesh.x\n"])
def test_the_cores_own_operations_have_no_such_name(name: str) -> None:
    for row in ("operations.ask", "operations.follow"):
        with pytest.raises(ValueError, match="operation"):
            BY_NAME[row].arguments.model_validate({"operation": name})


@pytest.mark.parametrize("arguments", ["", "[]", "{", '{"a": NaN}', "null"])
async def test_arguments_of_a_stream_are_a_json_object(operations: PluginOperations, node: Node, arguments: str) -> None:
    with pytest.raises(BadRequest, match="arguments"):
        await operations.handlers["operations.follow"](call("operations.follow", "mesh.changes", arguments=arguments))
    assert not node.asked


async def test_items_of_a_stream_are_events(node: Node) -> None:
    found = [step async for step in steps(node.follow("mesh.changes", {}, ALICE))]
    assert [(step.id, step.kind, json.loads(step.text)["item"]) for step in found if isinstance(step, Event)] == [
        (1, "item", 1),
        (2, "item", {"two": 2}),
    ]


async def test_what_a_stream_fails_with_is_its_last_event() -> None:
    async def items() -> AsyncGenerator[Any, None]:
        yield 1
        raise HostError("no disk", hint="make room")

    *_, last = [step async for step in steps(items())]
    assert isinstance(last, Event)
    assert json.loads(last.text) == {"event": "failed", "code": "HostError", "message": "no disk", "hint": "make room"}


def test_a_stream_that_is_silent_beats_and_ends_with_its_reader() -> None:
    closed = []

    async def items() -> AsyncGenerator[Any, None]:
        try:
            await asyncio.sleep(10 * HEARTBEAT)
            yield 1
        finally:
            closed.append(True)

    async def story() -> None:
        following = steps(items())
        assert [await anext(following) for _ in range(3)] == [Beat(0)] * 3
        await following.aclose()
        assert closed

    played(story())


async def test_a_reader_that_takes_nothing_keeps_nobody_waiting_and_is_let_go() -> None:
    """All that the node says comes by one connection."""
    taken = 0
    closed = asyncio.Event()

    async def items() -> AsyncGenerator[Any, None]:
        nonlocal taken
        try:
            while True:
                taken += 1
                await asyncio.sleep(0)
                yield "x" * (MOST_WAITING // 10)
        finally:
            closed.set()

    following = steps(items())
    await anext(following)
    async with asyncio.timeout(60):
        await closed.wait()
    assert taken < 20
    *_, last = [step async for step in following]
    assert isinstance(last, Event)
    assert json.loads(last.text)["code"] == "DeadlineExceeded"
