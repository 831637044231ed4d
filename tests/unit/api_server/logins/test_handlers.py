"""The rows of log-ins by somebody else."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from appliance.api_server.answering import Answering
from appliance.api_server.asking import Asking
from appliance.api_server.iam.handlers import bearer_of
from appliance.api_server.logins.browser import log_in_routes
from appliance.api_server.logins.handlers import handlers
from appliance.api_server.logins.log_ins import LogIns
from appliance.management.operations.table import ROWS
from tests.unit.api_server.iam.rig import Rig


@pytest.fixture
def browser(rig: Rig, log_ins: LogIns) -> httpx.AsyncClient:
    async def node(*_: Any) -> Any:
        raise AssertionError("nobody asks the node here")

    carried_out = handlers(log_ins)
    answering = Answering(Asking(node, rig.clock), bearer_of(rig.accounts), {}, carried_out)
    rows = [row for row in ROWS if row.name in carried_out]
    routes = [Route(row.full_path, answering.endpoint(row), methods=[row.verb.value]) for row in rows]
    app = Starlette(routes=[*routes, *log_in_routes(log_ins)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=("192.0.2.1", 4711)), base_url="https://node")


async def test_anybody_may_see_which_log_ins_there_are(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/api/v1/auth/logins")
    assert [(one["name"], one["open"]) for one in answer.json()["items"]] == [("closed", False), ("house", True)]


async def test_a_code_brings_the_same_as_a_password(browser: httpx.AsyncClient, rig: Rig) -> None:
    state = (await browser.get("/login/house")).headers["location"].partition("state=")[2]
    back = await browser.get(f"/login/house/callback?state={state}")
    body = {"code": back.headers["location"].partition("#log-in=")[2], "client": "a browser"}
    answer = await browser.post("/api/v1/auth/logins/exchange", json=body)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["token_type"], told["user"]["name"]) == ("Bearer", "alice")
    assert (await rig.accounts.sessions.refresh(told["refresh_token"])).user.name == "alice"
    again = await browser.post("/api/v1/auth/logins/exchange", json=body)
    assert (again.status_code, again.json()["code"]) == (401, "LogInOver")
    assert body["code"] not in again.text
