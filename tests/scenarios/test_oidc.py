"""Somebody logs in with a browser at a provider of OpenID Connect, from the first address to what he may do here."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from appliance.api_server.plugins.kinds import Brought
from appliance_login_oidc.plugin import appliance_logins
from tests.rigs.oidc_provider import CLIENT, SECRET, USER_CODE, OidcProvider, oidc_provider
from tests.rigs.whole_api import first_user, whole_api

KINDS = {"logins": {"oidc": Brought("login-oidc", next(iter(appliance_logins())))}}
ROLES = {"staff": ["viewer"], "heads": ["admin"]}
LOGIN, CALLBACK = "/login/oidc", "/login/oidc/callback"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OidcProvider, str]]:
    """A provider, and an API server that asks it and has a user alice."""
    with oidc_provider() as provider:
        section = {
            "issuer": provider.issuer,
            "client_id": CLIENT,
            "client_secret": "file:/secret",
            "roles": ROLES,
            "create": True,
            "devices": True,
        }
        folder = tmp_path_factory.mktemp("api")
        with whole_api(folder, {"logins": {"oidc": section}}, kinds=KINDS, secrets={"file:/secret": SECRET}) as base:
            first_user(base)  # alice, an admin
            yield provider, base


@pytest.fixture
def base(house: tuple[OidcProvider, str]) -> str:
    return house[1]


@pytest.fixture
def provider(house: tuple[OidcProvider, str], request: pytest.FixtureRequest) -> Iterator[OidcProvider]:
    """Whoever comes is somebody new in each test."""
    provider = house[0]
    before = provider.claims
    name = f"u{zlib.crc32(request.node.name.encode()):x}"
    provider.claims = {"sub": name, "preferred_username": name, "groups": ["staff"]}
    yield provider
    provider.claims = before
    provider.answers.clear()


def browser(base: str) -> httpx.Client:
    return httpx.Client(base_url=base, timeout=60)


def back(browser: httpx.Client) -> str:
    """Where a browser comes back to that went to the provider and logged in there."""
    sent = browser.get(LOGIN)
    assert sent.status_code == 303, sent.text
    return httpx.get(sent.headers["location"], timeout=60).headers["location"]


def code_of(browser: httpx.Client, address: str) -> str:
    """What the dashboard gets."""
    answer = browser.get(address)
    assert answer.status_code == 303, answer.text
    address, _, code = answer.headers["location"].partition("#log-in=")
    assert address == "/dashboard/"
    return str(code)


def entered(browser: httpx.Client) -> dict[str, Any]:
    """The tokens of a whole log-in."""
    answer = browser.post("/api/v1/auth/logins/exchange", json={"code": code_of(browser, back(browser)), "client": "a test"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def known(tokens: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {tokens['access_token']}"}


def test_somebody_logs_in_by_the_provider_and_may_what_his_groups_bring(base: str, provider: OidcProvider) -> None:
    with browser(base) as alice:
        assert alice.get("/api/v1/auth/logins").json() == {"items": [{"name": "oidc", "open": True, "devices": True}]}
        tokens = entered(alice)
        assert (tokens["user"]["name"], tokens["user"]["roles"]) == (provider.claims["sub"], ["viewer"])
        assert tokens["user"]["log_in"] == "oidc"
        assert alice.get("/api/v1/status", headers=known(tokens)).status_code == 200
        assert problem(alice.get("/api/v1/users", headers=known(tokens))) == (403, "Forbidden")
        assert alice.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).status_code == 200
        provider.claims["groups"] = ["staff", "heads"]
        again = entered(alice)
        assert again["user"]["id"] == tokens["user"]["id"]
        assert alice.get("/api/v1/users", headers=known(again)).status_code == 200


def test_who_lost_all_groups_is_out_and_what_he_held_permits_nothing_any_more(base: str, provider: OidcProvider) -> None:
    with browser(base) as alice:
        tokens = entered(alice)
        provider.claims["groups"] = []
        assert problem(alice.get(back(alice))) == (403, "LogInRefused")
        assert problem(alice.get("/api/v1/status", headers=known(tokens))) == (403, "Forbidden")


def test_nobody_becomes_a_user_who_is_here_already(base: str, provider: OidcProvider) -> None:
    provider.claims["preferred_username"] = "Alice"
    with browser(base) as stranger:
        tokens = entered(stranger)
        assert problem(stranger.get("/api/v1/users", headers=known(tokens))) == (403, "Forbidden")
    assert (tokens["user"]["name"], tokens["user"]["roles"]) == ("alice-2", ["viewer"])


def test_a_locked_user_stays_out(base: str, provider: OidcProvider) -> None:
    with browser(base) as alice:
        name = entered(alice)["user"]["name"]
        admin = {"authorization": "Bearer root"}
        changed = alice.patch(f"/api/v1/users/{name}", headers=admin, json={"state": "locked"})
        assert changed.status_code == 200, changed.text
        assert problem(alice.get(back(alice))) == (403, "LogInRefused")


def test_what_was_used_is_good_no_more(base: str, provider: OidcProvider) -> None:
    with browser(base) as alice:
        address = back(alice)
        code = code_of(alice, address)
        assert problem(alice.get(address)) == (401, "LogInOver")
        assert alice.post("/api/v1/auth/logins/exchange", json={"code": code}).status_code == 200
        assert problem(alice.post("/api/v1/auth/logins/exchange", json={"code": code})) == (401, "LogInOver")


def test_nothing_of_it_is_good_in_another_browser(base: str, provider: OidcProvider) -> None:
    with browser(base) as alice, browser(base) as mallory:
        address = back(alice)
        assert problem(mallory.get(address)) == (401, "LogInOver")
        mallory.get(LOGIN)
        assert problem(mallory.get(address)) == (401, "LogInOver")
        code = code_of(alice, address)
        assert problem(mallory.post("/api/v1/auth/logins/exchange", json={"code": code})) == (401, "LogInOver")


def test_the_cookie_is_for_no_script_and_for_no_other_page(base: str, provider: OidcProvider) -> None:
    with browser(base) as alice:
        cookie = alice.get(LOGIN).headers["set-cookie"].lower()
    assert {"httponly", "samesite=lax", "path=/"} <= {part.strip() for part in cookie.split(";")}


@pytest.mark.parametrize("query", ["", "?state=x", "?state=x&code=y", "?state=x&state=x", "?error=access_denied&state=x"])
def test_who_did_not_begin_is_not_waited_for(base: str, query: str) -> None:
    with browser(base) as stranger:
        assert problem(stranger.get(CALLBACK + query))[1] in {"LogInOver", "BadRequest"}


def test_a_provider_that_says_no_is_said(base: str, provider: OidcProvider) -> None:
    with browser(base) as alice:
        state = urlsplit(back(alice)).query.partition("state=")[2]
        answer = alice.get(f"{CALLBACK}?error=access_denied&state={state}")
    assert problem(answer) == (502, "LogInFailed")
    assert "access_denied" in answer.json()["detail"]


def test_a_provider_that_is_away_is_said(base: str, provider: OidcProvider) -> None:
    provider.answers["/token"] = (503, b"")
    with browser(base) as alice:
        assert problem(alice.get(back(alice))) == (502, "LogInFailed")
        assert alice.get("/api/v1/auth/logins").json()["items"][0]["open"]


def test_a_log_in_that_there_is_not(base: str, provider: OidcProvider) -> None:
    with browser(base) as stranger:
        assert problem(stranger.get("/login/none")) == (404, "NoSuchRecord")
        assert problem(stranger.get("/login/callback")) == (404, "NoSuchRecord")


def test_a_program_without_a_browser_logs_in_by_a_code_that_its_user_enters(base: str, provider: OidcProvider) -> None:
    with browser(base) as program:
        begun = program.post("/api/v1/auth/logins/oidc/device").json()
        assert (begun["code"], begun["url"]) == (USER_CODE, f"{provider.issuer}/enter")
        asked = {"device": begun["device"], "client": "a program"}
        early = program.post("/api/v1/auth/logins/device", json=asked)
        assert problem(early) == (409, "LogInPending")
        provider.approved = True
        end = time.monotonic() + 60
        while (answer := program.post("/api/v1/auth/logins/device", json=asked)).status_code == 409:
            assert time.monotonic() < end
            time.sleep(float(answer.headers["retry-after"]))
        assert answer.json()["user"]["name"] == provider.claims["sub"]
