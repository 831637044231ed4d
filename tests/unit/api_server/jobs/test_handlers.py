"""Templates, jobs and events over HTTP, by a foreign client, against models of the table."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from appliance.api_server.analytics import telling
from appliance.api_server.answering import Answering
from appliance.api_server.asking import Asking
from appliance.api_server.caller import Caller, Unauthenticated, permitted
from appliance.api_server.jobs.handlers import TOPICS
from appliance.api_server.jobs.part import JobsPart
from appliance.api_server.reviews import reviews
from appliance.control.messages import OnBehalf
from appliance.foundation import clock
from appliance.management.iam.roles import PERMISSIONS
from appliance.management.operations.row import AnsweredBy
from appliance.management.operations.table import BY_NAME, ROWS
from appliance.sdk.errors import SDKError
from appliance.store.memory import MemoryStore

ROLES = {"alice": ("operator",), "vera": ("viewer",), "nobody": ()}
ALICE, VERA, NOBODY = ({"authorization": f"Bearer {name}"} for name in ROLES)


async def find(name: str, user: str) -> Caller | None:
    return Caller(name, ROLES[name], "access-token", user) if name in ROLES else None


async def bearer(token: str) -> Caller:
    caller = await find(token, f"id-of-{token}")
    if caller is None:
        raise Unauthenticated("no")
    return caller


class Node:
    """Answers as the daemon does, and tells what happens to it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any], str]] = []
        self.answers: dict[str, Any] = {
            "health": {"ok": True, "ready": True, "problems": {}},
            "invite": {"code": "llpc1-secret"},
        }
        self.happens: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()
        self.follows = 0

    async def ask(self, op: str, arguments: dict[str, Any], whose: OnBehalf | None, _seconds: float, /) -> Any:
        assert whose is not None
        self.asked.append((op, arguments, whose.name))
        return self.answers[op]

    async def follow(self) -> AsyncGenerator[Mapping[str, Any], None]:
        self.follows += 1
        while (item := await self.happens.get()) is not None:
            yield item
        raise SDKError("the node went away")


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
async def client(node: Node) -> AsyncIterator[httpx.AsyncClient]:
    def may(caller: Caller, permission: str) -> bool:
        return permitted(caller, permission, {})

    async def still(_call: object) -> bool:
        return True

    asking = Asking(node.ask, clock.monotonic)
    part = JobsPart(MemoryStore(clock=clock.wall), ROWS, asking, node.follow, server="one", permitted=may, find=find, still=still)
    await part.open()
    answering = Answering(asking, bearer, {}, part.handlers)
    rows = [row for row in ROWS if row.name in part.handlers]
    app = Starlette(routes=[Route(row.full_path, answering.endpoint(row), methods=[row.verb.value]) for row in rows])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node/api/v1", timeout=60) as made:
        yield made
    await part.close()


async def over(client: httpx.AsyncClient, number: str) -> Any:
    """The execution at its end: its stream ends with it."""
    await client.get(f"templates/stream/{number}", headers=ALICE)
    return (await client.get(f"templates/status/{number}", headers=ALICE)).json()


def events(text: str) -> list[tuple[int, str, Any]]:
    found = re.findall(r"^id: (\d+)\nevent: (\S+)\ndata: (.*)\n\n", text, re.MULTILINE)
    return [(int(number), kind, json.loads(data)) for number, kind, data in found]


async def test_every_row_is_answered(client: httpx.AsyncClient) -> None:
    served = {row.name for row in ROWS if row.answered_by is AnsweredBy.SERVER and row.tag in {"Templates", "Jobs", "Events"}}
    for name in served:
        row = BY_NAME[name]
        path = row.path.removeprefix("/").format_map(row.example)
        answer = await client.request(row.verb, path, headers=NOBODY, json={} if row.verb.has_body else None)
        assert (answer.status_code, answer.json()["code"]) == (403, "Forbidden"), name


async def test_templates_are_listed_with_what_they_need_and_whether_the_caller_may(client: httpx.AsyncClient) -> None:
    answer = (await client.get("templates", headers=VERA)).json()
    BY_NAME["templates.list"].result.model_validate(answer)
    found = {item["name"]: (item["permissions"], item["allowed"]) for item in answer["items"]}
    assert found["health-check"] == (["node.read"], False)
    alices = (await client.get("templates", headers=ALICE)).json()["items"]
    assert {item["name"]: item["allowed"] for item in alices}["reload-with-confirm"] is True
    first = (await client.get("templates?limit=1", headers=VERA)).json()
    second = (await client.get(f"templates?limit=1&after={first['next']}", headers=VERA)).json()
    assert [first["items"][0]["name"], second["items"][0]["name"]] == [item["name"] for item in alices[:2]]


async def test_one_template_with_its_parameters_and_steps(client: httpx.AsyncClient) -> None:
    answer = (await client.get("templates/show/reload-with-confirm", headers=VERA)).json()
    BY_NAME["templates.get"].result.model_validate(answer)
    assert answer["parameters"]["window"]["minimum"] == 10
    assert answer["steps"][0]["arguments"] == {"confirm_within": "${window}"}
    assert (await client.get("templates/show/nope", headers=VERA)).status_code == 404


async def test_a_dry_run_shows_what_would_be_done(client: httpx.AsyncClient, node: Node) -> None:
    body = {"template": "reload-with-confirm", "parameters": {"window": 30}}
    answer = await client.post("templates/dry-run", headers=ALICE, json=body)
    BY_NAME["templates.dry_run"].result.model_validate(answer.json())
    assert [(step["operation"], step["arguments"]) for step in answer.json()["steps"]] == [
        ("reload", {"confirm_within": 30}),
        ("health", {}),
        ("confirm", {}),
    ]
    assert node.asked == []


async def test_a_template_runs_and_its_status_tells_all(client: httpx.AsyncClient, node: Node) -> None:
    answer = await client.post("templates/execute", headers=ALICE, json={"template": "health-check"})
    assert answer.status_code == 202
    BY_NAME["templates.execute"].result.model_validate(answer.json())
    ended = await over(client, answer.json()["id"])
    BY_NAME["templates.status"].result.model_validate(ended)
    assert (ended["state"], ended["progress"], ended["steps"][0]["result"]["ok"]) == ("succeeded", {"done": 1, "of": 1}, True)
    assert node.asked == [("health", {}, "alice")]
    listed = (await client.get("jobs", headers=VERA)).json()
    BY_NAME["jobs.list"].result.model_validate(listed)
    assert [item["id"] for item in listed["items"]] == [ended["id"]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"template": "nope"}, 404, "TemplateUnknown"),
        ({"template": "health-check", "parameters": {"patience": "x"}}, 422, "ParametersInvalid"),
        ({"template": "health-check", "parameters": {"shell": "rm"}}, 422, "ParametersInvalid"),
        ({"template": "invite-member", "parameters": {"name": "x", "uses": 1.5}}, 422, "ParametersInvalid"),
        ({"template": "health-check", "parameters": []}, 422, "Invalid"),
        ({"template": "x" * 64}, 422, "Invalid"),
        ({}, 422, "Invalid"),
        ({"template": "\ud800"}, 400, "BadRequest"),
    ],
)
async def test_what_is_wrong_with_a_request_is_a_problem(
    client: httpx.AsyncClient, node: Node, body: Any, status: int, code: str
) -> None:
    for path in ("templates/execute", "templates/dry-run"):
        answer = await client.post(path, headers=ALICE | {"content-type": "application/json"}, content=json.dumps(body))
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert node.asked == []


async def test_a_viewer_runs_and_cancels_nothing(client: httpx.AsyncClient) -> None:
    assert (await client.post("templates/execute", headers=VERA, json={"template": "health-check"})).status_code == 403
    assert (await client.post(f"jobs/{'0' * 36}/cancel", headers=VERA)).status_code == 403


async def test_the_same_request_twice_is_one_execution(client: httpx.AsyncClient) -> None:
    key = ALICE | {"idempotency-key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
    first, second = [await client.post("templates/execute", headers=key, json={"template": "health-check"}) for _ in range(2)]
    assert first.json()["id"] == second.json()["id"]
    other = await client.post("templates/execute", headers=key, json={"template": "check-network"})
    assert (other.status_code, other.json()["code"]) == (409, "KeyReused")
    bad = await client.post("templates/execute", headers=ALICE | {"idempotency-key": ""}, json={"template": "health-check"})
    assert (bad.status_code, bad.json()["code"]) == (422, "KeyInvalid")


async def test_an_invitations_code_is_for_who_could_have_made_one(client: httpx.AsyncClient) -> None:
    begun = await client.post(
        "templates/execute", headers=ALICE, json={"template": "invite-member", "parameters": {"name": "laptop"}}
    )
    mine = await over(client, begun.json()["id"])
    theirs = await client.get(f"templates/status/{mine['id']}", headers=VERA)
    assert mine["steps"][0]["result"] == {"code": "llpc1-secret"}
    assert theirs.json()["steps"][0]["result"] is None
    for path in (f"templates/stream/{mine['id']}", "jobs"):
        assert "llpc1" not in (await client.get(path, headers=VERA)).text


async def test_a_stream_goes_on_where_it_was_cut_and_nobody_connects_again_behind_its_end(client: httpx.AsyncClient) -> None:
    begun = (await client.post("templates/execute", headers=ALICE, json={"template": "health-check"})).json()
    path = f"templates/stream/{begun['id']}"
    whole = await client.get(path, headers=VERA)
    assert whole.headers["content-type"].startswith("text/event-stream")
    told = events(whole.text)
    assert [data["state"] for _, kind, data in told if kind == "state"] == ["queued", "running", "succeeded"]
    for number, _, _ in told[:-1]:
        rest = events((await client.get(path, headers=VERA | {"last-event-id": str(number)})).text)
        assert rest == told[told.index(next(event for event in told if event[0] == number)) + 1 :]
        assert events((await client.get(f"{path}?after={number}", headers=VERA)).text) == rest
    assert (await client.get(path, headers=VERA | {"last-event-id": str(told[-1][0])})).status_code == 204


async def test_a_cursor_that_is_none_is_told(client: httpx.AsyncClient) -> None:
    for path, headers in (
        ("events?after=x", {}),
        ("events", {"last-event-id": "-1"}),
        ("events?topics=" + "&topics=".join("a" * 17), {}),
    ):
        answer = await client.get(path, headers=VERA | headers)
        assert answer.status_code in {400, 422}
    unknown = await client.get(f"templates/stream/{'0' * 36}", headers=VERA)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "ExecutionUnknown")


def test_what_is_told_can_be_followed() -> None:
    told = {reviews.TOPIC, *(kind.partition(".")[0] for kind in (telling.BEGAN, telling.ENDED))}
    assert told <= TOPICS.keys()


async def test_cancelling_what_is_over_is_a_conflict(client: httpx.AsyncClient) -> None:
    begun = (await client.post("templates/execute", headers=ALICE, json={"template": "health-check"})).json()
    await over(client, begun["id"])
    answer = await client.post(f"jobs/{begun['id']}/cancel", headers=ALICE)
    assert (answer.status_code, answer.json()["code"]) == (409, "ExecutionOver")


async def test_a_job_that_runs_is_cancelled(client: httpx.AsyncClient, node: Node) -> None:
    node.answers["health"] = {"ok": False, "ready": True, "problems": {}}
    body = {"template": "health-check", "parameters": {"patience": 3600}}
    begun = (await client.post("templates/execute", headers=ALICE, json=body)).json()
    answer = await client.post(f"jobs/{begun['id']}/cancel", headers=ALICE)
    assert answer.status_code == 202
    BY_NAME["jobs.cancel"].result.model_validate(answer.json())
    assert (await over(client, begun["id"]))["state"] == "cancelled"


def test_each_event_that_the_api_server_tells_has_a_topic_with_a_permission() -> None:
    """An event of another topic would reach nobody."""
    assert reviews.TOPIC in TOPICS
    assert set(TOPICS.values()) <= set(PERMISSIONS)
