"""An API server that makes its answers up, asked by a foreign HTTP client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from rigs.mock_api import mock_api

from appliance.api_server.example_server import example_api, listening
from appliance.management.operations.row import Row
from appliance.management.operations.table import ROWS


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(example_api("1.0")), base_url="http://node") as made:
        yield made


def known(role: str) -> dict[str, str]:
    return {"authorization": f"Bearer {role}"}


async def ask(client: httpx.AsyncClient, row: Row, role: str) -> httpx.Response:
    example = dict(row.example)
    path = row.full_path
    for name in row.in_path:
        path = path.replace(f"{{{name}}}", str(example.pop(name, "a")))
    body: dict[str, Any] = {"json": example} if row.verb.has_body else {"params": example}
    return await client.request(row.verb, path, headers=known(role), **body)


async def test_every_operation_with_an_example_or_without_arguments_is_answered(client: httpx.AsyncClient) -> None:
    for row in ROWS:
        if row.example or not any(field.is_required() for field in row.arguments.model_fields.values()):
            answer = await ask(client, row, "admin")
            assert answer.status_code == row.success, (row.name, answer.text)
            if answer.headers.get("content-type") == "application/json":
                row.result.model_validate(answer.json())


async def test_answers_are_always_the_same(client: httpx.AsyncClient) -> None:
    first, second = [await client.get("/api/v1/status", headers=known("viewer")) for _ in range(2)]
    assert first.json() == second.json()


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 200), ("root", 401)])
async def test_a_token_brings_the_role_of_its_name(client: httpx.AsyncClient, role: str, status: int) -> None:
    answer = await client.post("/api/v1/node/confirm", headers=known(role), json={})
    assert answer.status_code == status


async def test_a_wrong_request_is_refused_as_by_a_node(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/invitations", headers=known("admin"), json={"name": 3})
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["path"] == "name"


async def test_what_describes_it_is_there(client: httpx.AsyncClient) -> None:
    newest, older = [(await client.get(f"/api/v1/{name}")).json() for name in ("openapi.json", "openapi-3.0.json")]
    assert (newest["openapi"], older["openapi"], newest["info"]["version"]) == ("3.1.1", "3.0.3", "1.0")
    assert newest["paths"].keys() == older["paths"].keys()


async def test_a_path_says_all_that_it_allows(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/api/v1/invitations")
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert answer.headers["x-request-id"]
    answer = await client.options("/api/v1/user-invitations/first")
    assert answer.headers["allow"] == "POST", "not what /user-invitations/{number} allows"
    answer = await client.delete("/api/v1/user-invitations/first", headers=known("admin"))
    assert answer.status_code == 405


def test_it_serves_at_a_port() -> None:
    with mock_api() as url:
        assert httpx.get(f"{url}/ready").json() == {"status": "ready"}
        assert json.loads(httpx.get(f"{url}/api/v1/status").text)["code"] == "Unauthenticated"


def test_a_port_that_is_taken_is_told() -> None:
    with listening("127.0.0.1", 0) as taken, pytest.raises(OSError, match="in use"):
        listening("127.0.0.1", taken.getsockname()[1])
