"""The generated client in Python: type-checked by a stranger, run against a live API server and against one that misbehaves."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from rigs.mock_api import mock_api

from appliance.cli import main
from appliance.management.operations.row import Page
from appliance.management.operations.table import ROWS

ROOT = Path(__file__).parents[4]
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("client")
    assert main(["generate-client", "python", "--output", str(made), "--force"]) == 0
    return made


@pytest.fixture(scope="module")
def package(folder: Path) -> Iterator[ModuleType]:
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module("appliance_client")
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.split(".")[0] == "appliance_client"]:
            del sys.modules[name]


@pytest.fixture(autouse=True)
def no_waiting(package: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["appliance_client.transport"], "LONGEST_WAIT", 0.0)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with mock_api() as url:
        yield url


@pytest.fixture
def to(package: ModuleType) -> Callable[..., Any]:
    """A client whose server is a function."""

    def made(answer: Answer, **more: Any) -> Any:
        return package.Client("http://node", "t", http=httpx.AsyncClient(transport=httpx.MockTransport(answer)), **more)

    return made


def problem(status: int, code: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
    body = {
        "status": status,
        "code": code,
        "detail": "no",
        "hint": "wait",
        "retryable": False,
        "instance": "urn:request:7",
        **more,
    }
    return httpx.Response(status, json=body, headers=headers)


def test_a_strict_type_checker_has_nothing_to_say(folder: Path) -> None:
    cache = ROOT / ".mypy_cache/clients"
    judged = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", cache, folder / "appliance_client"],
        capture_output=True,
        text=True,
    )
    assert judged.returncode == 0, judged.stdout


async def test_every_operation_is_answered_by_a_live_server(package: ModuleType, server: str) -> None:
    async with package.Client(server, "admin") as client:
        for row in ROWS:
            if not row.stream and (row.example or not any(f.is_required() for f in row.arguments.model_fields.values())):
                answer = await getattr(client, row.name.replace(".", "_"))(**row.example)
                if row.success != 204:
                    row.result.model_validate(answer)
            if row.stream and row.example:
                events = [event async for event in getattr(client, row.name.replace(".", "_"))(**row.example)]
                assert [event.id for event in events] == ["1", "2", "3"]
                row.result.model_validate(events[0].data)
            if row.listed_by and issubclass(row.arguments, Page):
                assert [item async for item in getattr(client, f"{row.name.replace('.', '_')}_all")()]


async def test_a_problem_is_an_exception_with_its_code(package: ModuleType, server: str) -> None:
    errors = sys.modules["appliance_client.errors"]
    async with package.Client(server, "viewer") as client:
        with pytest.raises(errors.Forbidden) as refused:
            await client.confirm()
        assert (refused.value.code, refused.value.status) == ("Forbidden", 403)
        assert refused.value.hint
        assert refused.value.request_id
    async with package.Client(server) as client:
        with pytest.raises(errors.Unauthenticated):
            await client.status()
        assert await client.node_ready() == {"status": "ready"}


async def test_wrong_arguments_are_told_one_by_one(package: ModuleType, server: str) -> None:
    async with package.Client(server, "admin") as client:
        with pytest.raises(sys.modules["appliance_client.errors"].Invalid) as refused:
            await client.invite(name="laptop", ttl=0)
        assert refused.value.problems[0]["path"] == "ttl"


async def test_a_request_that_was_not_carried_out_is_sent_again(to: Callable[..., Any]) -> None:
    answers = [problem(503, "NodeGone", retryable=True), problem(429, "Busy", {"retry-after": "3"}, retryable=True)]
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.method)
        return answers.pop(0) if answers else httpx.Response(200, json={})

    assert await to(answer).confirm() == {}
    assert seen == ["POST"] * 3


async def test_retry_after_is_obeyed(package: ModuleType) -> None:
    transport = sys.modules["appliance_client.transport"]
    transport.LONGEST_WAIT = 30.0
    assert transport._wait(0, 7.0) == 7.0
    assert transport._wait(0, 3600.0) == 30.0
    assert 0.1 <= transport._wait(0, None) <= 0.2
    assert transport._wait(50, None) == 30.0


@pytest.mark.parametrize(
    ("operation", "answer", "times"),
    [
        ("confirm", problem(504, "DeadlineExceeded", retryable=True), 1),  # nobody knows whether it was carried out
        ("status", problem(504, "DeadlineExceeded", retryable=True), 3),
        ("status", problem(409, "Unconfirmed"), 1),
        ("status", problem(503, "NodeGone", retryable=True), 3),
        ("status", httpx.Response(502, text="<html>"), 1),
    ],
)
async def test_how_often_it_is_tried(
    to: Callable[..., Any], package: ModuleType, operation: str, answer: httpx.Response, times: int
) -> None:
    seen: list[httpx.Request] = []

    def told(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(answer.status_code, content=answer.content)

    with pytest.raises(package.Problem):
        await getattr(to(told, retries=2), operation)()
    assert len(seen) == times


@pytest.mark.parametrize(
    ("operation", "error", "times"),
    [
        ("confirm", httpx.ConnectError("refused"), 3),
        ("confirm", httpx.ReadTimeout("late"), 1),
        ("status", httpx.ReadTimeout("late"), 3),
    ],
)
async def test_a_connection_that_breaks(
    to: Callable[..., Any], package: ModuleType, operation: str, error: Exception, times: int
) -> None:
    seen: list[httpx.Request] = []

    def broken(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        raise error

    with pytest.raises(package.ConnectionFailed):
        await getattr(to(broken, retries=2), operation)()
    assert len(seen) == times


@pytest.mark.parametrize("answer", [httpx.ReadTimeout("late"), problem(504, "DeadlineExceeded", retryable=True)])
async def test_with_an_idempotency_key_it_is_sent_again_under_the_same_key(
    to: Callable[..., Any], answer: httpx.Response | Exception
) -> None:
    keys: list[str] = []
    drawn = iter(("first", "second", "third"))

    async def with_key(request: httpx.Request, proceed: Callable[[httpx.Request], Awaitable[httpx.Response]]) -> httpx.Response:
        request.headers["Idempotency-Key"] = next(drawn)
        return await proceed(request)

    def broken(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 3:
            return httpx.Response(200, json={"done": True})
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, content=answer.content)

    assert await to(broken, interceptors=[with_key], retries=2).confirm() == {"done": True}
    assert keys == ["first"] * 3


async def test_arguments_stand_where_they_belong(to: Callable[..., Any]) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    client = to(answer)
    await client.lookup(name="a/b ?")
    await client.peers(limit=5)
    await client.invite(name="laptop", tags=["x"])
    assert [str(each.url) for each in seen] == [
        "http://node/api/v1/names/a%2Fb%20%3F",
        "http://node/api/v1/peers?limit=5",
        "http://node/api/v1/invitations",
    ]
    assert json.loads(seen[2].content) == {"name": "laptop", "tags": ["x"]}
    assert {each.headers["authorization"] for each in seen} == {"Bearer t"}


async def test_a_list_is_read_to_its_end(to: Callable[..., Any]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        after = int(request.url.params["after"] or 0)
        return httpx.Response(200, json={"items": [{"name": str(after)}], "next": str(after + 1) if after < 3 else ""})

    assert [peer["name"] async for peer in to(answer).peers_all()] == ["0", "1", "2", "3"]


async def test_interceptors_see_each_attempt_in_their_order(to: Callable[..., Any]) -> None:
    told: list[str] = []

    def named(name: str) -> Any:
        async def see(request: httpx.Request, proceed: Callable[[httpx.Request], Awaitable[httpx.Response]]) -> httpx.Response:
            told.append(name)
            request.headers["x-request-id"] = name
            return await proceed(request)

        return see

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"id": request.headers["x-request-id"]})

    assert await to(answer, interceptors=[named("outer"), named("inner")]).status() == {"id": "inner"}
    assert told == ["outer", "inner"]


async def test_a_token_may_be_fetched_for_each_request(package: ModuleType) -> None:
    async def token() -> str:
        return "fresh"

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"token": request.headers["authorization"]})

    client = package.Client("http://node", token, http=httpx.AsyncClient(transport=httpx.MockTransport(answer)))
    assert await client.status() == {"token": "Bearer fresh"}


async def test_requests_leave_at_the_rate_that_is_asked_for(package: ModuleType) -> None:
    transport = sys.modules["appliance_client.transport"].Transport(
        "http://node", None, timeout=1, retries=0, rate=1000.0, interceptors=(), http=httpx.AsyncClient()
    )
    for _ in range(3):
        await transport._turn()
    assert transport._next >= 0.003


class Cut(httpx.AsyncByteStream):
    """A body that breaks off."""

    def __init__(self, text: str, *, breaks: bool) -> None:
        self.text, self.breaks = text, breaks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.text.encode()
        if self.breaks:
            raise httpx.ReadError("cut off")


async def test_a_stream_goes_on_where_it_was_cut_off(package: ModuleType) -> None:
    pieces = [
        Cut(': hello\n\nid: 1\nevent: peer\ndata: {"a":\ndata: 1}\n\nid: 2\ndata: 2\n\nid: 3\ndata: lost', breaks=True),
        Cut("id: 3\ndata: 3\n\n: heartbeat\nid: 9\n\n", breaks=False),
    ]
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("last-event-id"))
        return httpx.Response(200, stream=pieces.pop(0)) if pieces else httpx.Response(204)

    transport = sys.modules["appliance_client.transport"].Transport(
        "http://node", None, timeout=1, retries=3, rate=None, interceptors=(),
        http=httpx.AsyncClient(transport=httpx.MockTransport(answer)),
    )  # fmt: skip
    found = [event async for event in transport.follow("/api/v1/events", {})]
    assert not pieces
    assert [(event.id, event.event, event.data) for event in found] == [
        ("1", "peer", {"a": 1}),
        ("2", "message", 2),
        ("3", "message", 3),
    ]
    assert asked == [None, "2", "3"]


def test_values_are_judged_by_their_schema(package: ModuleType) -> None:
    problems = importlib.import_module("appliance_client.validating").problems
    assert problems("Invite", {"name": "laptop", "ttl": 60, "tags": ["a"]}) == []
    assert problems("Invite", {"ttl": True, "other": 1, "tags": [1], "uses": 0}) == [
        "it: name is missing",
        "ttl: integer is expected",
        "it: other is not known",
        "tags[0]: string is expected",
        "uses: 0 is out of bounds",
    ]
    assert problems("Invite", {"name": "x" * 100}) == ["name: 100 characters are too few or too many"]
    assert problems("Peers", {"items": [{"name": "a"}], "next": ""})[0] == "items[0]: identity is missing"
    assert problems("Reload", {"confirm_within": None}) == []
    assert problems("Reload", {"confirm_within": 0}) == ["confirm_within: none of what it may be"]
