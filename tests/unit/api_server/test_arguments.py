"""What a body or a query may look like, and what becomes of everything else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.requests import Request

from appliance.api_server.arguments import MOST_BODY, arguments_of
from appliance.api_server.problems import BadRequest, BodyTooLarge, Invalid, UnsupportedMedia
from appliance.errors import ApplianceError
from appliance.management.operations.row import Arguments
from appliance.management.operations.strict_json import MOST_DEPTH
from appliance.management.operations.table import BY_NAME

INVITE, SERVICES = BY_NAME["invite"], BY_NAME["services"]


def request(body: bytes = b"", headers: Mapping[str, str] | None = None, query: str = "") -> Request:
    pieces = [{"type": "http.request", "body": body[:100], "more_body": True}, {"type": "http.request", "body": body[100:]}]

    async def receive() -> Any:
        return pieces.pop(0)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "http", "method": "POST", "headers": raw, "query_string": query.encode(), "path_params": {}}
    return Request(scope, receive)


async def invite(body: bytes, **headers: str) -> Arguments:
    return await arguments_of(INVITE, request(body, headers))


async def test_a_body_is_judged_by_the_model() -> None:
    found = await invite(b'{"name": "laptop", "tags": ["office"]}', content_type="application/json; charset=utf-8")
    assert found.model_dump()["tags"] == ("office",)


@pytest.mark.parametrize(
    ("body", "headers", "error"),
    [
        (b"{", {}, BadRequest),
        (b"[]", {}, BadRequest),
        (b"\xff", {}, BadRequest),
        (b'{"name": NaN}', {}, BadRequest),
        (b"[" * 100_000, {}, BadRequest),
        (b'{"name":' + b'{"a":' * MOST_DEPTH + b"1" + b"}" * (MOST_DEPTH + 1), {}, BadRequest),
        (b'{"name":' + b"[" * 900 + b"]" * 900 + b"}", {}, BadRequest),
        (b'{"name": "x", "ttl": 1e999}', {}, BadRequest),
        (b'{"name": "x", "ttl": "60"}', {}, Invalid),
        (b'{"name": "x", "exit": 1}', {}, Invalid),
        (b'{"name": "x", "uses": 9223372036854775808}', {}, Invalid),
        (b'{"name": "\\ud800"}', {}, BadRequest),
        (b"{}", {}, Invalid),
        (b'{"name": "x", "ttl": 0}', {}, Invalid),
        (b'{"name": "x", "other": 1}', {}, Invalid),
        (b"name=x", {"content_type": "application/x-www-form-urlencoded"}, UnsupportedMedia),
        (b"{}", {"content_encoding": "gzip"}, UnsupportedMedia),
        (b" " * (MOST_BODY + 1), {}, BodyTooLarge),
        (b"{}", {"content_length": str(MOST_BODY + 1)}, BodyTooLarge),
    ],
)
async def test_what_is_no_invitation(body: bytes, headers: dict[str, str], error: type[ApplianceError]) -> None:
    with pytest.raises(error):
        await invite(body, **headers)


async def test_a_problem_names_the_argument_and_never_the_value() -> None:
    with pytest.raises(Invalid) as refused:
        await invite(json.dumps({"name": "x", "uses": "hunter2"}).encode())
    assert refused.value.problems == [{"path": "uses", "message": refused.value.problems[0]["message"]}]
    assert "hunter2" not in json.dumps(refused.value.document())


async def test_a_query_is_judged_too() -> None:
    found = await arguments_of(SERVICES, request(query="service=echo&limit=7"))
    assert found.model_dump() == {"service": "echo", "limit": 7, "after": ""}
    with pytest.raises(BadRequest):
        await arguments_of(SERVICES, request(query="limit=1&limit=2"))
    with pytest.raises(Invalid):
        await arguments_of(SERVICES, request(query="limit=many"))
