"""What browsers are told on the way."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette

from appliance.api_server.logins.browser import COOKIE, log_in_routes
from appliance.api_server.logins.log_ins import LogIns
from tests.unit.api_server.logins.guest_house import House


def browser(log_ins: LogIns, scheme: str = "https") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Starlette(routes=log_in_routes(log_ins)), client=("192.0.2.1", 4711))
    return httpx.AsyncClient(transport=transport, base_url=f"{scheme}://node:8470")


@pytest.mark.parametrize(("scheme", "name"), [("http", COOKIE), ("https", f"__Host-{COOKIE}")])
async def test_there_and_back_again(log_ins: LogIns, house: House, scheme: str, name: str) -> None:
    async with browser(log_ins, scheme) as alice:
        sent = await alice.get("/login/house")
        assert sent.status_code == 303
        assert ("secure" in sent.headers["set-cookie"].lower()) == (scheme == "https")
        assert list(alice.cookies) == [name]
        back = await alice.get("/login/house/callback", params={"state": sent.headers["location"].partition("state=")[2]})
        assert back.headers["location"].startswith("/dashboard/#log-in=")
        assert {sent.headers["cache-control"], back.headers["cache-control"]} == {"no-store"}
    assert house.finished[0][0] == f"{scheme}://node:8470/login/house/callback"


async def test_what_stands_there_twice_is_refused_before_anything_is_used_up(log_ins: LogIns, house: House) -> None:
    async with browser(log_ins) as alice:
        sent = await alice.get("/login/house")
        state = sent.headers["location"].partition("state=")[2]
        for query in (f"state={state}&code=a&code=b", f"state={state}&" + "&".join(f"p{at}=" for at in range(40))):
            answer = await alice.get(f"/login/house/callback?{query}")
            assert (answer.status_code, answer.json()["code"]) == (400, "BadRequest")
        assert (await alice.get(f"/login/house/callback?state={state}")).status_code == 303
    assert len(house.finished) == 1


async def test_a_log_in_called_callback_is_one_as_any_other(log_ins: LogIns) -> None:
    async with browser(log_ins) as alice:
        assert (await alice.get("/login/callback")).json()["code"] == "NoSuchRecord"
