"""What a gateway asks for is answered by the endpoint of the operation, with the caller's header fields."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from appliance.api_server.gateways.calls import GatewayCalls
from appliance.api_server.problems import NotFound, problem
from appliance.api_server.tracing.current import step
from appliance.api_server.tracing.requests import routed
from appliance.errors import ApplianceError
from appliance.management.operations.row import Row
from tests.rigs.recording import recorded

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "POST",
    "path": "/api/v1/gateways/x",
    "headers": [(b"authorization", b"Bearer t"), (b"content-type", b"application/x"), (b"content-length", b"7")],
    "query_string": b"a=b",
    "state": {"toll": 1},
}


class Answering:
    """Answers as a test says."""

    def __init__(self, deed: Callable[[Row, Request], Response]) -> None:
        self._deed = deed

    def endpoint(self, row: Row) -> Any:
        async def answer(request: Request) -> Response:
            return self._deed(row, request)

        return answer


def calls(deed: Callable[[Row, Request], Response]) -> GatewayCalls:
    return GatewayCalls(Answering(deed))  # type: ignore[arg-type]


async def test_it_is_the_same_caller_and_another_request() -> None:
    seen: list[Request] = []

    def deed(row: Row, request: Request) -> Response:
        seen.append(request)
        return JSONResponse({"name": row.name})

    assert await calls(deed).call(SCOPE, "users.get", {"name": "alice"}) == {"name": "users.get"}
    [request] = seen
    assert (request.method, request.path_params, dict(request.query_params)) == ("GET", {"name": "alice"}, {})
    assert dict(request.headers) == {"authorization": "Bearer t"}
    assert request.scope["state"] == {"toll": 1}
    assert SCOPE["method"] == "POST"


async def test_each_operation_is_a_step_within_the_gateways_request_whose_name_stays() -> None:
    def deed(row: Row, request: Request) -> Response:
        routed(request.scope, row)
        return JSONResponse({})

    with recorded() as kept, step("POST") as span:
        gateway = calls(deed)
        for name in ("status", "health"):
            await gateway.call({**SCOPE, "state": {"toll": 1, "span": span}}, name, {})
    assert [each.name for each in kept] == ["status", "health", "POST"]
    assert {each.parent for each in kept[:2]} == {kept[2].span}


async def test_a_problem_is_raised_with_its_code_and_hint() -> None:
    with pytest.raises(ApplianceError) as raised:
        await calls(lambda _row, _request: problem(NotFound("no such user", hint="look"), "r1")).call(SCOPE, "users.get", {})
    assert (raised.value.code, raised.value.hint, raised.value.retryable) == ("NotFound", "look", False)


@pytest.mark.parametrize("name", ["no.such", "events.follow", ""])
async def test_only_operations_that_are_no_streams_are_called(name: str) -> None:
    with pytest.raises(NotFound):
        await calls(lambda _row, _request: JSONResponse({})).call(SCOPE, name, {})


async def test_a_stream_is_followed_and_what_is_not_taken_is_not_read() -> None:
    sent: list[int] = []
    ended = asyncio.Event()

    async def items() -> AsyncIterator[bytes]:
        try:
            for number in range(1000):
                sent.append(number)
                yield f"id: {number}\ndata: {number}\n\n".encode()
        finally:
            ended.set()

    gateway = calls(lambda _row, _request: StreamingResponse(items(), media_type="text/event-stream"))
    async with aclosing(gateway.follow(SCOPE, "events.follow", {})) as following:
        assert [await anext(following) for _ in range(3)] == [{"id": str(number), "data": number} for number in range(3)]
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(sent) < 10
    await asyncio.wait_for(ended.wait(), 60)
    assert [item["data"] async for item in gateway.follow(SCOPE, "events.follow", {})] == list(range(1000))


async def test_a_stream_that_is_refused_raises() -> None:
    gateway = calls(lambda _row, _request: problem(NotFound("no", hint=""), "r1"))
    with pytest.raises(ApplianceError, match="no"):
        await anext(gateway.follow(SCOPE, "events.follow", {}))


def test_all_operations_have_schemas_that_are_there() -> None:
    gateway = calls(lambda _row, _request: JSONResponse({}))
    found = {each.name: each for each in gateway.operations()}
    assert found["users.create"].changes
    assert found["events.follow"].stream
    for each in found.values():
        assert each.result["$ref"].rpartition("/")[2] in gateway.schemas()
