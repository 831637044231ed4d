"""The API asked by GraphQL: the same answers, the same rights, and limits that hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from appliance.api_server.plugins.kinds import Brought
from appliance_gateway_graphql.plugin import appliance_gateways
from tests.rigs.whole_api import PASSWORD, TOKEN, first_user, whole_api

PATH = "/api/v1/gateways/graphql"
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    kinds = {"gateways": {"graphql": Brought("gateway-graphql", next(iter(appliance_gateways())))}}
    with whole_api(tmp_path_factory.mktemp("api"), {"gateways": {"graphql": {}}}, kinds=kinds) as base:
        yield base


@pytest.fixture(scope="module")
def admin(base: str) -> str:
    return first_user(base)


@pytest.fixture(scope="module")
def viewer(base: str, admin: str) -> str:
    known = {"authorization": f"Bearer {admin}"}
    bob = {"name": "bob", "password": PASSWORD}
    assert httpx.post(f"{base}/api/v1/users", headers=known, json=bob | {"roles": ["viewer"]}, timeout=60).is_success
    tokens = httpx.post(f"{base}/api/v1/auth/login", json=bob, timeout=60).json()
    return str(tokens["access_token"])


@pytest.fixture
def ask(base: str) -> Ask:
    def asked(query: str, token: str = "", **variables: Any) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        answer = httpx.post(f"{base}{PATH}", headers=headers, json={"query": query, "variables": variables}, timeout=60)
        assert answer.headers["content-type"] == "application/graphql-response+json"
        return answer.status_code, answer.json()

    return asked


def test_several_operations_are_answered_at_once_and_as_over_http(base: str, ask: Ask, admin: str) -> None:
    status, told = ask("query ($n: Long) { status { name state } usersList(limit: $n) { items { name roles } } }", admin, n=5)
    assert (status, "errors" in told) == (200, False)
    over_http = httpx.get(f"{base}/api/v1/status", headers={"authorization": f"Bearer {admin}"}, timeout=60).json()
    assert told["data"]["status"] == {name: over_http[name] for name in ("name", "state")}
    assert "alice" in [user["name"] for user in told["data"]["usersList"]["items"]]


@pytest.mark.parametrize("wrong", ["many", {"a": 1}, 2**64, None])
def test_a_variable_of_the_wrong_type_is_the_callers_mistake_and_told_as_that(ask: Ask, wrong: Any) -> None:
    status, told = ask("query ($n: Long!) { usersList(limit: $n) { items { name } } }", n=wrong)
    assert status == 400
    assert "Long" in told["errors"][0]["message"]


def test_without_a_token_nothing_is_answered_and_a_viewer_reads_what_he_may(ask: Ask, viewer: str) -> None:
    status, told = ask("{ status { name } }")
    assert told["data"] == {"status": None}
    assert told["errors"][0]["extensions"]["code"] == "Unauthenticated"
    status, told = ask("{ status { name } usersList { items { name } } }", viewer)
    assert status == 200
    assert told["data"]["status"]
    assert told["data"]["usersList"] is None
    assert told["errors"][0]["path"] == ["usersList"]
    assert told["errors"][0]["extensions"]["code"] == "Forbidden"


def test_nothing_can_be_changed(ask: Ask, admin: str) -> None:
    status, told = ask('mutation { usersCreate(name: "eve") { name } }', admin)
    assert status == 400
    assert "mutation" in told["errors"][0]["message"]
    status, told = ask("{ __schema { queryType { fields { name } } mutationType { name } } }", admin)
    names = {field["name"] for field in told["data"]["__schema"]["queryType"]["fields"]}
    assert {"status", "peers", "usersList"} <= names
    assert not {"reload", "usersCreate", "stop"} & names
    assert told["data"]["__schema"]["mutationType"] is None


def test_arguments_are_judged_where_they_are_judged_over_http(ask: Ask, admin: str) -> None:
    _, told = ask('{ usersGet(name: "nobody") { name } }', admin)
    assert told["errors"][0]["extensions"]["code"] == "NoSuchRecord"
    _, told = ask('{ usersGet(name: "../tokens") { name } }', admin)
    assert told["errors"][0]["extensions"]["code"] in {"NoSuchRecord", "Invalid"}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("{ " + "a { " * 500 + "b" + " }" * 500 + " }", ""),
        ("{ " + "status { name } " * 300 + "}", "levels|fields|operations|tokens"),
        ("{ " + " ".join(f"a{n}: status {{ name }}" for n in range(9)) + " }", "operations of the API"),
        (
            "{ __schema { types { fields { type { " + "ofType { " * 6 + "name" + " }" * 10 + " }",
            "levels",
        ),
        (
            "query { ...f0 } "
            + " ".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(30))
            + " fragment f30 on Query { status { name } }",
            "fields",
        ),
        ("query { ...a } fragment a on Query { ...b } fragment b on Query { ...a }", "itself"),
        ("{ status { name }", "Syntax"),
        ("query a { status { name } } query b { status { name } }", "operationName"),
        ("(" * 3000, ""),
    ],
)
def test_a_document_that_asks_for_too_much_asks_for_nothing(ask: Ask, admin: str, query: str, said: str) -> None:
    status, told = ask(query, admin)
    assert status == 400
    assert "data" not in told
    assert re.search(said, told["errors"][0]["message"]), told


@pytest.mark.parametrize(
    ("method", "kind", "body", "status"),
    [
        ("GET", "application/json", b"", 405),
        ("POST", "text/plain", b"{}", 415),
        ("POST", "application/json", b"{", 400),
        ("POST", "application/json", b"[]", 400),
        ("POST", "application/json", b'{"query": 1}', 400),
        ("POST", "application/json", b'{"query": "{status{name}}", "variables": []}', 400),
        ("POST", "application/json", b"[" * 60_000, 400),
        ("POST", "application/json", b'{"query": "' + b"a" * 70_000 + b'"}', 413),
    ],
)
def test_what_is_no_request_of_graphql_is_refused(base: str, method: str, kind: str, body: bytes, status: int) -> None:
    answer = httpx.request(method, f"{base}{PATH}", headers={"content-type": kind}, content=body, timeout=60)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["message"]


def test_a_subscription_tells_what_happens_and_another_gateway_is_not_there(base: str, admin: str) -> None:
    known = {"authorization": f"Bearer {admin}"}
    query = {"query": 'subscription { eventsFollow(after: "0", topics: ["jobs"]) { id event data } }'}
    assert httpx.post(f"{base}{PATH}", headers=known, json=query, timeout=60).status_code == 406
    with httpx.stream("POST", f"{base}{PATH}", headers=known | {"accept": "text/event-stream"}, json=query, timeout=60) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        started = httpx.post(
            f"{base}/api/v1/templates/execute",
            headers={"authorization": f"Bearer {TOKEN}"},
            json={"template": "health-check"},
            timeout=60,
        )
        assert started.status_code == 202
        told = next(line for line in answer.iter_lines() if line.startswith("data: "))
        assert json.loads(told[6:])["data"]["eventsFollow"]["event"].startswith("jobs.")
    missing = httpx.post(f"{base}/api/v1/gateways/soap", headers=known, json={}, timeout=60)
    assert (missing.status_code, missing.json()["code"]) == (404, "NotFound")


def test_a_subscription_without_the_right_is_refused_before_it_begins(base: str) -> None:
    query = {"query": "subscription { eventsFollow { id } }"}
    answer = httpx.post(f"{base}{PATH}", headers={"accept": "text/event-stream"}, json=query, timeout=60)
    told = json.loads(next(line for line in answer.text.splitlines() if line.startswith(("data: {", "{"))).removeprefix("data: "))
    assert told["errors"][0]["extensions"]["code"] == "Unauthenticated"
