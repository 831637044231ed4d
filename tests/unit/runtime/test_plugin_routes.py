"""Operations of plugins: judged before, checked after, streamed at the caller's pace, and ended when the caller goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from appliance.api.management import ApiCall, ApiRoute, Principal, Refused
from appliance.api.profile import Section
from appliance.control.conversation import Request
from appliance.errors import ExitCode, PluginFault
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.plugins.routes import MOST_BYTES, BadArguments, described, plugins_operations
from appliance.testing.management import FakeRouteServices

ASKER = Principal("local", "ann", 1000, 1000, 7)


class Question(Section):
    peer: str
    since: float = 0.0


class Answer(Section):
    peer: str
    count: int = 0


class Node:
    """A node with one operation, mesh.x."""

    def __init__(self, handler: Any, **route: Any) -> None:
        self.calls = PluginCalls()
        self.shared: dict[str, Any] = {}
        routes = {"mesh.x": ("mesh", ApiRoute("mesh.x", "mesh.read", handler, **route))}
        self._operation = plugins_operations(self.calls, routes, self.serve)["mesh.x"]

    def serve(self, _plugin: str) -> FakeRouteServices:
        services = FakeRouteServices()
        services.shared = self.shared
        return services

    async def ask(self, **args: Any) -> Any:
        answer = self._operation.handler(Request(ASKER, args))
        assert isinstance(answer, Awaitable)
        return await answer

    def follow(self, **args: Any) -> AsyncGenerator[Any, None]:
        items = self._operation.handler(Request(ASKER, args))
        assert isinstance(items, AsyncGenerator)
        return items


async def echo(call: ApiCall) -> Any:
    return {"who": call.principal.name, "peer": call.arguments.peer, "since": call.arguments.since}


async def test_a_handler_gets_who_asks_and_an_instance_of_its_model() -> None:
    node = Node(echo, arguments=lambda: Question)
    assert await node.ask(peer="hub", since=1.5) == {"who": "ann", "peer": "hub", "since": 1.5}


@pytest.mark.parametrize(
    ("args", "path", "words"),
    [
        ({}, "peer", "missing"),
        ({"peer": 7}, "peer", "expected text, found 7"),
        ({"peer": "hub", "since": "yesterday"}, "since", "expected a number"),
        ({"peer": "hub", "sinse": 1}, "sinse", "did you mean 'since'"),
    ],
)
async def test_an_argument_that_is_wrong_is_named_and_nothing_is_called(args: Mapping[str, Any], path: str, words: str) -> None:
    async def handler(_call: ApiCall) -> None:
        pytest.fail("it was called all the same")

    with pytest.raises(BadArguments, match=words) as refused:
        await Node(handler, arguments=lambda: Question).ask(**args)
    assert refused.value.exit_code == ExitCode.INVALID
    assert [problem["path"] for problem in refused.value.document()["arguments"]] == [path]


async def test_without_a_model_there_are_no_arguments() -> None:
    async def handler(call: ApiCall) -> Any:
        return call.arguments

    assert await Node(handler).ask() is None
    with pytest.raises(BadArguments, match=r"mesh\.x takes no arguments, found peer"):
        await Node(handler).ask(peer="hub")


async def test_a_model_whose_own_code_breaks_is_the_plugins_fault() -> None:
    def model() -> type[Section]:
        raise ImportError("no pydantic for me")

    with pytest.raises(PluginFault, match="ImportError"):
        await Node(echo, arguments=model).ask(peer="hub")


async def test_an_answer_is_filled_up_from_its_model_and_one_that_does_not_fit_is_the_plugins_fault() -> None:
    async def handler(_call: ApiCall) -> Any:
        return answers.pop()

    answers: list[Any] = [{"peer": 7}, Answer(peer="hub", count=2), {"peer": "hub"}]
    node = Node(handler, result=lambda: Answer)
    assert await node.ask() == {"peer": "hub", "count": 0}
    assert await node.ask() == {"peer": "hub", "count": 2}
    with pytest.raises(PluginFault, match=r"mesh\.x raised ValidationError"):
        await node.ask()


@pytest.mark.parametrize("answer", [float("nan"), "x" * (MOST_BYTES + 1)], ids=["no JSON", "long"])
async def test_an_answer_that_is_no_answer_is_the_plugins_fault(answer: Any) -> None:
    async def handler(_call: ApiCall) -> Any:
        return answer

    with pytest.raises(PluginFault, match="ValueError"):
        await Node(handler).ask()


async def test_a_late_answer_ends_and_a_refusal_is_no_fault() -> None:
    async def never(_call: ApiCall) -> None:
        await asyncio.Event().wait()

    async def refuses(_call: ApiCall) -> None:
        raise Refused("not today", hint="tomorrow", exit_code=ExitCode.RETRY)

    with pytest.raises(PluginFault, match=r"mesh\.x did not end within 0.01 s"):
        await Node(never, seconds=0.01).ask()
    with pytest.raises(Refused) as refused:
        await Node(refuses).ask()
    assert refused.value.document()["exit"] == ExitCode.RETRY


async def test_what_a_call_spawned_ends_with_it() -> None:
    running = asyncio.Event()
    ended = asyncio.Event()

    async def beside() -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def handler(call: ApiCall) -> None:
        call.services.spawn(beside(), "beside")
        await running.wait()

    await Node(handler).ask()
    assert ended.is_set()


async def test_the_parts_of_a_plugin_share_what_they_like_and_others_do_not() -> None:
    async def handler(call: ApiCall) -> Any:
        call.services.shared["asked"] = call.services.shared.get("asked", 0) + 1
        return call.services.shared["asked"]

    node = Node(handler)
    assert [await node.ask(), await node.ask()] == [1, 2]
    assert await Node(handler).ask() == 1


# ---- streams ----


async def count(call: ApiCall) -> AsyncIterator[Any]:
    for number in range(3):
        yield {"peer": call.arguments.peer, "count": number}


async def test_a_stream_gives_its_items_in_order_and_ends() -> None:
    node = Node(count, stream=True, arguments=lambda: Question, result=lambda: Answer)
    assert [item["count"] async for item in node.follow(peer="hub")] == [0, 1, 2]
    with pytest.raises(BadArguments, match="peer"):
        await anext(node.follow())


async def test_a_caller_who_takes_slowly_is_waited_for() -> None:
    made: list[int] = []

    async def endless(_call: ApiCall) -> AsyncIterator[int]:
        while True:
            made.append(len(made))
            yield made[-1]

    items = Node(endless, stream=True).follow()
    for number in range(3):
        assert await anext(items) == number
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(made) <= number + 4
    await items.aclose()
    before = len(made)
    await asyncio.sleep(0)
    assert len(made) == before


async def test_when_the_caller_goes_the_stream_is_closed_where_it_waits() -> None:
    closed = asyncio.Event()

    async def waits(_call: ApiCall) -> AsyncIterator[int]:
        async with asyncio.timeout(60):  # belongs to one task from beginning to end
            try:
                yield 1
                await asyncio.Event().wait()
            finally:
                closed.set()

    items = Node(waits, stream=True).follow()
    assert await anext(items) == 1
    taking = asyncio.ensure_future(anext(items))
    await asyncio.sleep(0)
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    await items.aclose()
    assert closed.is_set()


async def test_a_stream_that_does_not_end_is_left_behind_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.runtime.plugins.routes.GRACE", 0.01)
    told: list[str] = []
    go_on = asyncio.Event()

    async def stubborn(_call: ApiCall) -> AsyncIterator[int]:
        yield 1
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                continue

    node = Node(stubborn, stream=True)
    monkeypatch.setattr(node.calls, "failed", lambda part, error: told.append(f"{part.member} {error}"))
    items = node.follow()
    assert await anext(items) == 1
    await items.aclose()
    assert told == ["mesh.x did not end within 0.01 s when its caller had gone"]
    go_on.set()
    await asyncio.sleep(0)


@pytest.mark.parametrize("error", [ZeroDivisionError(), SystemExit(3), asyncio.CancelledError()])
async def test_a_stream_that_breaks_says_what_came_before(error: BaseException) -> None:
    async def breaks(_call: ApiCall) -> AsyncIterator[int]:
        yield 1
        raise error

    items = Node(breaks, stream=True).follow()
    assert await anext(items) == 1
    with pytest.raises(PluginFault, match=type(error).__name__):
        await anext(items)


async def test_a_stream_may_refuse_to_go_on() -> None:
    async def refuses(_call: ApiCall) -> AsyncIterator[int]:
        yield 1
        raise Refused("the peer is gone")

    items = Node(refuses, stream=True).follow()
    assert await anext(items) == 1
    with pytest.raises(Refused):
        await anext(items)


async def test_a_stream_that_is_none_is_the_plugins_fault() -> None:
    async def no_stream(_call: ApiCall) -> int:
        return 1

    with pytest.raises(PluginFault, match="TypeError"):
        await anext(Node(no_stream, stream=True).follow())


class Anything(Section):
    """All sorts of fields."""

    peer: Annotated[str, Field(max_length=5, pattern=r"^[a-z]+$")] = "hub"
    mode: Literal["on", "off"] = "on"
    count: Annotated[int, Field(ge=0, le=9)] = 0
    which: tuple[Question, ...] = ()
    by_name: Mapping[str, Question] = {}


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
SOME = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3))
ARGUMENTS = st.dictionaries(st.sampled_from(list(Anything.model_fields)) | st.text(max_size=8), SOME, max_size=4)


@given(ARGUMENTS)
def test_whatever_a_caller_says_is_taken_or_refused(args: Mapping[str, Any]) -> None:
    async def handler(call: ApiCall) -> Any:
        assert isinstance(call.arguments, Anything)

    async def asked() -> None:
        try:
            await Node(handler, arguments=lambda: Anything).ask(**args)
        except BadArguments as refused:
            json.dumps(refused.document())

    asyncio.run(asked())


def test_operations_are_described_with_their_schemas_and_a_model_that_fails_has_none() -> None:
    async def tell(_call: ApiCall) -> Any: ...

    def broken() -> type[Any]:
        raise ZeroDivisionError

    routes = {
        "mesh.b": (
            "mesh",
            ApiRoute("mesh.b", "mesh.read", tell, "what is there", arguments=lambda: Question, result=lambda: Answer),
        ),
        "mesh.a": ("mesh", ApiRoute("mesh.a", "mesh.read", tell, arguments=broken, stream=True, seconds=60.0)),
    }
    first, second = described(PluginCalls(), routes)
    assert (first["name"], first["stream"], first["seconds"], first["arguments"]) == ("mesh.a", True, 60.0, None)
    assert (second["plugin"], second["permission"], second["summary"]) == ("mesh", "mesh.read", "what is there")
    assert second["arguments"]["required"] == ["peer"]
    assert set(second["result"]["properties"]) == {"peer", "count"}
