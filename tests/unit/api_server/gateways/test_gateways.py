"""Gateways at their paths: open, not open, not there, and one that fails."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from appliance.api_server.gateways.calls import GatewayCalls
from appliance.api_server.gateways.gateways import Gateways
from appliance.api_server.plugins.services import Joints

NOBODY: Any = None


async def answered(gateways: Gateways, path: str) -> tuple[int, Any]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": f"{gateways.PATH}{path}", "root_path": gateways.PATH, "headers": []}
    await gateways.answer(scope, NOBODY, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.fixture
def gateways() -> Gateways:
    return Gateways(GatewayCalls(NOBODY))


async def test_one_answers_while_it_is_open(gateways: Gateways, tmp_path: Any) -> None:
    async def gateway(scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(scope["path"]).encode()})

    gateways.services(Joints("n", "f", NOBODY, tmp_path, {}), "p", "gateways", "x")
    status, told = await answered(gateways, "/x/y")
    assert (status, told["code"], told["retryable"]) == (503, "GatewayNotOpen", True)
    using = asyncio.get_running_loop().create_task(gateways.use("x", gateway))
    await asyncio.sleep(0)
    assert await answered(gateways, "/x/y") == (200, "/api/v1/gateways/x/y")
    using.cancel()
    await asyncio.wait({using})
    assert (await answered(gateways, "/x"))[0] == 503


@pytest.mark.parametrize("path", ["", "/", "/other", "/other/x"])
async def test_another_is_not_there(gateways: Gateways, path: str) -> None:
    status, told = await answered(gateways, path)
    assert (status, told["code"]) == (404, "NotFound")


@pytest.mark.parametrize("error", [ValueError("secret"), SystemExit("secret"), asyncio.CancelledError("secret")])
async def test_one_that_fails_says_nothing_of_why(gateways: Gateways, error: BaseException) -> None:
    async def gateway(_scope: Any, _receive: Any, _send: Any) -> None:
        raise error

    using = asyncio.get_running_loop().create_task(gateways.use("x", gateway))
    await asyncio.sleep(0)
    status, told = await answered(gateways, "/x")
    assert (status, told["code"]) == (500, "bug")
    assert "secret" not in json.dumps(told)
    using.cancel()
    await asyncio.wait({using})
