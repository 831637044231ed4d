"""Users, roles and tokens over HTTP, by a foreign client in the same process."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from appliance.api.profile_management import Management
from appliance.api_server.answering import Answering
from appliance.api_server.asking import Asking
from appliance.api_server.caller import LOCAL
from appliance.api_server.iam.handlers import bearer_of, handlers
from appliance.api_server.logins import handlers as of_log_ins
from appliance.api_server.logins.log_ins import LogIns
from appliance.management.iam.refresh import GRACE
from appliance.management.operations.row import PUBLIC, AnsweredBy, Verb
from appliance.management.operations.table import ROWS
from tests.unit.api_server.iam.rig import PASSWORD, Rig

ANYBODY = {
    "auth.register",
    "auth.login",
    "auth.logins",
    "auth.exchange",
    "auth.begin_device",
    "auth.finish_device",
    "auth.refresh",
    "auth.token",
    "auth.keys",
}
"""What needs no token, besides the probes and descriptions that are no rows."""


class Http:
    """An API server, and callers of it."""

    def __init__(self, rig: Rig, app: Starlette) -> None:
        self.rig = rig
        self._app = app

    def client(self, token: str = "", *, root: bool = False, address: str = "192.0.2.1") -> httpx.AsyncClient:
        """A caller from an address of the network, or root of the host."""
        transport = httpx.ASGITransport(self._app, client=(LOCAL, 0) if root else (address, 4711))
        headers = {"authorization": f"Bearer {token}"} if token else {}
        told = {"response": [fits]}
        return httpx.AsyncClient(transport=transport, base_url="http://node/api/v1", headers=headers, event_hooks=told)

    async def log_in(self, name: str, **more: str) -> dict[str, Any]:
        answer = await self.client().post("auth/login", json={"name": name, "password": PASSWORD, **more})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def known(self, name: str) -> httpx.AsyncClient:
        """A caller with a token of that user."""
        return self.client((await self.log_in(name))["access_token"])


async def fits(answer: httpx.Response) -> None:
    """Every answer of these tests is what its row says."""
    await answer.aread()
    if answer.is_success:
        parts = answer.url.path.split("/")
        (row,) = [
            row
            for row in reversed(ROWS)
            if row.verb == answer.request.method
            and len(row.full_path.split("/")) == len(parts)
            and all(said.startswith("{") or said == part for said, part in zip(row.full_path.split("/"), parts, strict=True))
        ][-1:]
        assert answer.status_code == row.success
        told = row.result.model_validate(answer.json())
        assert not told.model_extra, "all that is told is described"


@pytest.fixture
async def http(rig: Rig) -> Http:
    async def node(*_: Any) -> Any:
        raise AssertionError("nobody asks the node here")

    answering = Answering(Asking(node, rig.clock), bearer_of(rig.accounts), {}, handlers(rig.accounts))
    rows = [row for row in ROWS if row.answered_by is AnsweredBy.SERVER]
    return Http(rig, Starlette(routes=[Route(row.full_path, answering.endpoint(row), methods=[row.verb.value]) for row in rows]))


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_every_row_of_ours_is_carried_out(rig: Rig) -> None:
    ours = {row.name for row in ROWS if row.name.startswith(("auth.", "users.", "tokens."))}
    assert {*handlers(rig.accounts), *of_log_ins.handlers(LogIns(rig.accounts, Management()))} == ours


def test_what_needs_no_token_is_listed_here() -> None:
    assert {row.name for row in ROWS if row.permission == PUBLIC} == ANYBODY


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.answered_by is AnsweredBy.SERVER and row.permission != PUBLIC], ids=lambda row: row.name
)
async def test_nothing_else_is_answered_without_a_token(http: Http, row: Any) -> None:
    path = row.full_path
    for name in row.in_path:
        path = path.replace(f"{{{name}}}", "0102030405060708")
    for headers in ({}, {"authorization": "Bearer a.b.c"}, {"authorization": "Bearer apl_0_0"}, {"authorization": "Basic YTpi"}):
        answer = await http.client().request(row.verb.value, f"http://node{path}", headers=headers)
        assert answer.status_code == 401, answer.text
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_from_nothing_to_a_team(http: Http) -> None:
    """Root of the host asks for the first code; the first user invites the second."""
    root, anybody = http.client(root=True), http.client()
    code = (await root.post("user-invitations/first")).json()["code"]
    first = await anybody.post("auth/register", json={"code": code, "name": "alice", "password": PASSWORD, "display": "Alice"})
    assert first.status_code == 201
    assert first.json()["roles"] == ["admin"]
    assert code_of(await root.post("user-invitations/first")) == (409, "UsersThere")
    again = await anybody.post("auth/register", json={"code": code, "name": "mallory", "password": PASSWORD})
    assert code_of(again) == (403, "CodeUsedUp")

    alice = await http.known("alice")
    invited = await alice.post("user-invitations", json={"roles": ["viewer"], "note": "for Bob"})
    assert invited.status_code == 201
    await anybody.post("auth/register", json={"code": invited.json()["code"], "name": "bob", "password": PASSWORD})
    listed = (await alice.get("user-invitations")).json()["items"]
    assert [(one["note"], one["open"]) for one in listed if one["note"] == "for Bob"] == [("for Bob", False)]
    assert "code" not in json.dumps(listed)
    users = (await alice.get("users")).json()
    assert [user["name"] for user in users["items"]] == ["alice", "bob"]
    assert (await alice.get("users", params={"limit": 1})).json()["next"] == "alice"

    bob = await http.known("bob")
    assert code_of(await bob.get("users")) == (403, "Forbidden")
    assert code_of(await bob.post("users", json={"name": "x", "password": PASSWORD})) == (403, "Forbidden")
    assert (await alice.patch("users/bob", json={"roles": ["operator"]})).json()["roles"] == ["operator"]
    assert code_of(await alice.patch("users/alice", json={"roles": []})) == (409, "LastAdmin")
    assert code_of(await alice.delete("users/alice")) == (409, "LastAdmin")
    assert (await alice.delete("users/bob")).status_code == 200
    assert code_of(await bob.get("users/profile")) == (401, "TokenNotValid")
    assert code_of(await alice.get("users/bob")) == (404, "NoSuchRecord")


async def test_ones_own_profile(http: Http) -> None:
    await http.rig.user("alice", "viewer")
    alice = await http.known("alice")
    profile = (await alice.get("users/profile")).json()
    assert profile["name"] == "alice"
    assert profile["permissions"] == ["figures.read", "jobs.read", "knowledge.read", "node.read", "reviews.read"]
    changed = await alice.put("users/profile", json={"display": "Alice B.", "email": "a@example.org"})
    assert (changed.json()["display"], changed.json()["email"]) == ("Alice B.", "a@example.org")
    assert (await alice.put("users/profile", json={"email": ""})).json()["display"] == "Alice B."
    raised = await alice.put("users/profile", json={"roles": ["admin"]})
    assert raised.status_code == 422
    assert (await alice.get("users/profile")).json()["roles"] == ["viewer"]
    assert code_of(await http.client(root=True).get("users/profile")) == (404, "NoSuchRecord")


async def test_no_answer_has_a_secret(http: Http) -> None:
    """Hashes, seeds and digests are in the store, and nowhere else."""
    user = await http.rig.user("alice", "admin")
    alice = await http.known("alice")
    texts = [
        (await alice.get(path)).text
        for path in ("users/profile", "users", "users/alice", "user-invitations", "tokens", "all-tokens", "roles", "auth/keys")
    ]
    kept = await http.rig.accounts.people.get(user.id)
    ring = await http.rig.accounts.keyring.ring()
    for text in texts:
        assert kept.password not in text
        assert "argon2" not in text
        assert "digest" not in text
        assert not any(key.seed in text for key in ring.keys)


async def test_fifty_refreshes_at_once_over_http(http: Http) -> None:
    await http.rig.user("alice", "viewer")
    token = (await http.log_in("alice"))["refresh_token"]
    client = http.client()
    answers = await asyncio.gather(*(client.post("auth/refresh", json={"refresh_token": token}) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    (successor,) = {answer.json()["refresh_token"] for answer in answers}
    other = (await http.log_in("alice"))["refresh_token"]
    http.rig.clock.now += GRACE + 1
    for copy in (token, successor):
        assert code_of(await client.post("auth/refresh", json={"refresh_token": copy})) == (401, "TokenNotValid")
    assert (await client.post("auth/refresh", json={"refresh_token": other})).status_code == 200


async def test_an_old_access_token_sent_along_does_not_stop_a_refresh(http: Http) -> None:
    await http.rig.user("alice", "viewer")
    grant = await http.log_in("alice")
    http.rig.clock.now += 3600
    stale = http.client(grant["access_token"])
    assert code_of(await stale.get("users/profile")) == (401, "TokenExpired")
    assert (await stale.post("auth/refresh", json={"refresh_token": grant["refresh_token"]})).status_code == 200


async def test_a_log_out_and_a_log_out_everywhere(http: Http) -> None:
    await http.rig.user("alice", "viewer")
    phone, laptop, third = [await http.known("alice") for _ in range(3)]
    assert (await laptop.post("auth/logout")).status_code == 200
    assert (await laptop.get("users/profile")).status_code == 401
    assert (await phone.get("users/profile")).status_code == 200
    assert (await phone.post("auth/logout", json={"everywhere": True})).status_code == 200
    assert (await third.get("users/profile")).status_code == 401


async def test_guessing_is_told_how_long_to_wait(http: Http) -> None:
    await http.rig.user("alice", "viewer")
    wrong = {"name": "alice", "password": "a wrong password"}
    answers = [await http.client().post("auth/login", json=wrong) for _ in range(6)]
    assert [code_of(answer) for answer in answers[:5]] == [(401, "WrongCredentials")] * 5
    assert code_of(answers[5]) == (429, "TooManyAttempts")
    assert int(answers[5].headers["retry-after"]) in range(1, 32)
    assert answers[5].json()["retryable"] is True


async def test_an_api_token_over_http(http: Http) -> None:
    await http.rig.user("alice", "operator")
    alice = await http.known("alice")
    made = (await alice.post("tokens", json={"name": "backup", "scopes": ["node.read"]})).json()
    program = http.client(made["token"])
    for refused in (
        program.get("users/profile"),
        program.get("tokens"),
        program.post("tokens", json={"name": "x", "scopes": ["node.read"]}),
    ):
        assert code_of(await refused) == (403, "Forbidden"), "its scopes do not say `self`"
    listed = await alice.get("tokens")
    assert [token["accessor"] for token in listed.json()["items"]] == [made["accessor"]]
    assert made["token"] not in listed.text
    assert made["client_secret"] not in listed.text
    more = await alice.post("tokens", json={"name": "x", "scopes": ["users.manage"]})
    assert code_of(more) == (403, "NotPermitted")
    assert (await alice.delete(f"tokens/{made['accessor']}")).status_code == 200
    assert code_of(await program.get("tokens")) == (401, "TokenNotValid")
    assert code_of(await alice.delete(f"tokens/{made['accessor']}")) == (404, "NoSuchRecord")


async def test_a_program_that_manages_users_does_not_become_its_owner(http: Http) -> None:
    await http.rig.user("alice", "admin")
    alice = await http.known("alice")
    made = (await alice.post("tokens", json={"name": "hr", "scopes": ["users.manage", "self"]})).json()
    program = http.client(made["token"])
    for attack in (
        program.put("users/alice/password", json={"password": "another good password"}),
        program.patch("users/alice", json={"state": "locked"}),
        program.delete("users/alice/second-factor"),
        program.delete("users/alice"),
        program.post("users", json={"name": "puppet", "password": PASSWORD, "roles": ["admin"]}),
        program.post("user-invitations", json={"roles": ["operator"]}),
        program.post("tokens", json={"name": "more", "scopes": ["node.change"]}),
    ):
        assert code_of(await attack) == (403, "NotPermitted")
    assert (await program.put("users/profile", json={"display": "Alice"})).json()["display"] == "Alice"
    assert (await program.post("users", json={"name": "intern", "password": PASSWORD})).status_code == 201


async def test_root_of_the_host_makes_a_token_for_a_user(http: Http) -> None:
    await http.rig.user("alice", "admin")
    root = http.client(root=True)
    made = await root.post("tokens", json={"name": "ansible", "scopes": ["users.manage"], "user": "alice"})
    assert made.status_code == 201
    assert (await http.client(made.json()["token"]).get("users")).status_code == 200
    alice = await http.known("alice")
    assert code_of(await alice.post("tokens", json={"name": "x", "scopes": ["node.read"], "user": "alice"})) == (
        422,
        "TokenRefused",
    )
    assert (await root.delete(f"all-tokens/{made.json()['accessor']}")).status_code == 200


@pytest.mark.parametrize("way", ["json", "form", "basic"])
async def test_client_credentials_as_libraries_send_them(http: Http, way: str) -> None:
    await http.rig.user("alice", "operator")
    made = (await (await http.known("alice")).post("tokens", json={"name": "ci", "scopes": ["jobs.run", "self"]})).json()
    known = {"client_id": made["accessor"], "client_secret": made["client_secret"]}
    grant = {"grant_type": "client_credentials", "scope": "self"}
    client = http.client()
    if way == "json":
        answer = await client.post("auth/token", json={**grant, **known})
    elif way == "form":
        answer = await client.post("auth/token", data={**grant, **known})
    else:
        answer = await client.post("auth/token", data=grant, auth=(known["client_id"], known["client_secret"]))
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["scope"] == "self"
    assert answer.headers["cache-control"] == "no-store"
    assert (await http.client(answer.json()["access_token"]).get("users/profile")).json()["permissions"] == []


async def test_a_client_that_is_not_known_is_told_so_as_oauth_has_it(http: Http) -> None:
    for header in (
        "Basic",
        "Basic ???",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff:x").decode(),
    ):
        answer = await http.client().post(
            "auth/token", data={"grant_type": "client_credentials", "client_id": "x"}, headers={"authorization": header}
        )
        assert code_of(answer) == (401, "InvalidClient")
        assert answer.json()["error"] == "invalid_client"
    assert (await http.client().post("auth/token", data={"grant_type": "password"})).status_code == 422


@pytest.mark.parametrize("content", [b"a=1&a=2", b"\xff=1", b"&".join(b"a%d=1" % number for number in range(40)), b"no form"])
async def test_a_form_that_is_none_is_refused(http: Http, content: bytes) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert (await http.client().post("auth/token", content=content, headers=headers)).status_code == 400
    assert (await http.client().post("auth/login", content=content, headers=headers)).status_code == 415


async def test_a_second_factor_over_http(http: Http) -> None:
    await http.rig.user("alice", "viewer")
    alice = await http.known("alice")
    assert code_of(await alice.post("users/profile/second-factor", json={"password": "a wrong one"})) == (401, "WrongCredentials")
    begun = (await alice.post("users/profile/second-factor", json={"password": PASSWORD})).json()
    assert begun["uri"].startswith("otpauth://")
    refused = await alice.put("users/profile/second-factor", json={"code": "000000"})
    assert code_of(refused) == (422, "SecondFactorRefused")


async def test_a_password_that_is_refused_is_not_repeated(http: Http) -> None:
    await http.rig.user("alice", "admin")
    alice = await http.known("alice")
    for password in ("x" * 300, "short-one", ["list-secret"], {"a": "dict-secret"}, 7_654_321):
        answer = await alice.post("users", json={"name": "bob", "password": password})
        assert answer.status_code == 422
        for secret in ("xxxx", "short-one", "list-secret", "dict-secret", "7654321"):
            assert secret not in answer.text
    assert (await alice.post("users", json={"name": "profile", "password": PASSWORD})).status_code == 422


@pytest.mark.parametrize("verb", [Verb.GET, Verb.PATCH, Verb.DELETE])
@pytest.mark.parametrize("name", ["..", "%2e%2e", "a%00", "%ed%a0%80", "A" * 63, "a" * 64, "'", "nobody"])
async def test_any_name_in_a_path_is_a_name_or_nobodys(http: Http, verb: Verb, name: str) -> None:
    await http.rig.user("chief", "admin")
    client = await http.known("chief")
    body = {"json": {"display": "x"}} if verb is Verb.PATCH else {}
    answer = await client.request(verb.value, f"users/{name}", **body)  # type: ignore[arg-type]
    assert answer.status_code in {400, 404, 405, 422}, answer.text


async def test_own_log_ins_over_http(http: Http) -> None:
    await http.rig.user("alice", "viewer")
    first, second = await http.known("alice"), await http.known("alice")
    listed = (await second.get("users/profile/sessions")).json()["items"]
    assert [each["current"] for each in listed] == [True, False]
    assert (await second.delete(f"users/profile/sessions/{listed[1]['id']}")).status_code == 200
    assert (await first.get("users/profile")).status_code == 401
    assert code_of(await second.delete(f"users/profile/sessions/{listed[1]['id']}")) == (404, "NoSuchRecord")
