"""One request through all its steps, by a foreign HTTP client in the same process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from appliance.api_server.answering import Answering, Call, Handler
from appliance.api_server.asking import Asking
from appliance.api_server.caller import Caller, Unauthenticated
from appliance.control.messages import OnBehalf
from appliance.errors import ApplianceError, ExitCode
from appliance.management.operations.node_models import Done, NameAsked, Reload
from appliance.management.operations.row import PUBLIC, SELF, AnsweredBy, Row, Verb

ROLES = {"viewer": ("viewer",), "nobody": ()}


async def bearer(token: str) -> Caller:
    if token not in ROLES:
        raise Unauthenticated("the token is not valid", hint="log in")
    return Caller(token, ROLES[token], "api-token")


def row(name: str, permission: str, verb: Verb = Verb.GET, path: str = "", **more: Any) -> Row:
    by = more.pop("answered_by", AnsweredBy.SERVER)
    return Row(name, "do it", "Test", permission, verb, path or f"/{name}", Done, answered_by=by, **more)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async def fails(_call: Call) -> Any:
        raise ZeroDivisionError("a secret")

    async def refused(_call: Call) -> Any:
        error = ApplianceError("not now", hint="wait")
        error.exit_code, error.retryable = ExitCode.RETRY, True
        raise error

    async def echo(call: Call) -> Any:
        return {"caller": call.caller.name, "arguments": call.arguments.model_dump(), "id": call.id}

    async def node(op: str, arguments: dict[str, Any], whose: OnBehalf | None, _seconds: float, /) -> Any:
        return {"op": op, "arguments": arguments, "whose": None if whose is None else list(whose)}

    handlers: dict[str, Handler] = {
        "open": echo, "mine": echo, "look": echo, "change": echo, "named": echo, "fails": fails, "refused": refused,
    }  # fmt: skip
    rows = [
        row("open", PUBLIC),
        row("mine", SELF),
        row("look", "node.read"),
        row("change", "node.change", Verb.POST, arguments=Reload),
        row("named", "node.read", path="/named/{name}", arguments=NameAsked),
        row("fails", PUBLIC),
        row("refused", PUBLIC),
        row("asked", "node.read", answered_by=AnsweredBy.NODE),
    ]
    answering = Answering(Asking(node, lambda: 0.0), bearer, {}, handlers)
    endpoint: Callable[[Row], Callable[..., Awaitable[Any]]] = answering.endpoint
    app = Starlette(routes=[Route(each.full_path, endpoint(each), methods=[each.verb.value]) for each in rows])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node/api/v1") as made:
        yield made


def known(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {name}"}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("open", {}, 200),
        ("mine", {}, 401),
        ("mine", known("nobody"), 200),
        ("look", {}, 401),
        ("look", known("nobody"), 403),
        ("look", known("viewer"), 200),
        ("look", known("mallory"), 401),
        ("look", {"authorization": "Basic dmlld2Vy"}, 401),
        ("look", {"authorization": "Bearer"}, 401),
    ],
)
async def test_who_asks_and_may_he(client: httpx.AsyncClient, path: str, headers: dict[str, str], status: int) -> None:
    answer = await client.get(path, headers=headers)
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["hint"]
    assert ("www-authenticate" in answer.headers) is (status == 401)


async def test_a_viewer_changes_nothing(client: httpx.AsyncClient) -> None:
    assert (await client.post("change", headers=known("viewer"), json={})).status_code == 403


async def test_the_node_is_told_for_whom_it_is_asked(client: httpx.AsyncClient) -> None:
    answer = await client.get("asked", headers=known("viewer") | {"x-request-id": "r-1"})
    assert answer.json()["whose"] == ["viewer", ["viewer"], "r-1", ""]
    assert answer.headers["x-request-id"] == "r-1"


async def test_the_log_has_what_was_refused_and_none_of_its_secrets(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="appliance")
    headers = known("hunter2") | {"x-request-id": "r-7"}
    assert (await client.post("change?password=hunter3", headers=headers, json={"password": "hunter4"})).status_code == 401
    (line,) = (each for each in caplog.records if each.message == "request")
    fields: dict[str, Any] = line.__dict__["fields"]
    assert (fields["operation"], fields["status"], fields["request"]) == ("change", 401, "r-7")
    assert "hunter" not in str(fields)


async def test_an_id_that_is_none_is_replaced(client: httpx.AsyncClient) -> None:
    answer = await client.get("open", headers={"x-request-id": "a\tb"})
    assert len(answer.headers["x-request-id"]) == 16
    assert answer.json()["id"] == answer.headers["x-request-id"]


async def test_a_mistake_of_ours_tells_nothing_of_itself(client: httpx.AsyncClient) -> None:
    answer = await client.get("fails")
    assert answer.status_code == 500
    assert answer.json()["code"] == "bug"
    assert "secret" not in answer.text
    assert "ZeroDivision" not in answer.text


async def test_an_error_says_whether_to_try_again(client: httpx.AsyncClient) -> None:
    problem = (await client.get("refused")).json()
    assert (problem["status"], problem["retryable"], problem["detail"]) == (503, True, "not now")


async def test_what_stands_in_the_path_is_an_argument(client: httpx.AsyncClient) -> None:
    assert (await client.get("named/laptop", headers=known("viewer"))).json()["arguments"] == {"name": "laptop"}
    assert (await client.get("named/laptop?name=other", headers=known("viewer"))).status_code == 400
