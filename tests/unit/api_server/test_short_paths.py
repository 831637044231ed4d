"""The short paths answer exactly their JSON, whatever is not well."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from starlette.requests import Request

from appliance.api_server import short_paths
from appliance.api_server.answering import Call
from appliance.api_server.asking import Asking
from appliance.api_server.caller import Caller
from appliance.api_server.node_link import Settings
from appliance.api_server.plugins.services import PartState
from appliance.api_server.short_paths import ShortPaths
from appliance.control.messages import OnBehalf
from appliance.errors import ApplianceError, MissingPrivilege
from appliance.management.operations.row import Nothing
from appliance.management.operations.short_paths import ROWS
from appliance.management.operations.table import BY_NAME

CRYPTO = {"initialized": True, "key_pairs": 1, "kem_key_bytes": 1568, "signature_key_bytes": 2592, "mode": "hybrid"}
GOOD: dict[str, Any] = {
    "peers": [{"name": "a", "connected": True}, {"name": "b", "connected": False}],
    "crypto": CRYPTO | {"production": True, "reasons": []},
    "metrics": {"uptime": 3600.5, "ready": True, "components": {"worker": "ok", "dht": "ok"}},
    "dht.nodes": {
        "id": "00",
        "nodes": [{"name": "a", "identity": "llp1:a", "bucket": 159}],
        "stats": {"totalNodes": 1, "bucketsUsed": 1, "bootstrapNodes": 1, "more": 5},
        "warning": "",
    },
}
NONE = {"totalNodes": 0, "bucketsUsed": 0, "bootstrapNodes": 0}
PUBLISHED = json.loads((Path(__file__).parents[3] / "schemas/openapi-3.1.json").read_text())
SLOW = "never"
"""Instead of an answer."""
GONE = ApplianceError("this node has no dht")


class Story:
    """A node that gives these answers, and a store with that problem."""

    def __init__(self, storage: str = "", signalling: PartState | None = None, **answers: Any) -> None:
        self.answers = GOOD | answers
        self.storage = storage
        settings = Settings("n", "llp1:x", "0.1.0", {})
        self.paths = ShortPaths(
            Asking(self.ask, lambda: 0.0),
            settings,
            self.problem,
            lambda: 1234567890.9,
            lambda: ["a", "b", "c", "d"],
            lambda: signalling,
        )

    async def ask(self, op: str, _arguments: dict[str, Any], _whose: OnBehalf | None, _seconds: float, /) -> Any:
        answer = self.answers[op]
        if answer is SLOW:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def problem(self) -> str:
        if self.storage == SLOW:
            await asyncio.Event().wait()
        return self.storage

    async def get(self, name: str) -> tuple[int, Any]:
        row = BY_NAME[name]
        call = Call(row, Caller("root", ("admin",), "peer"), Nothing(), Request({"type": "http", "headers": []}), "r1")
        answer = await self.paths.handlers()[name](call)
        status, body = (answer.status_code, json.loads(answer.body)) if hasattr(answer, "body") else (200, answer)
        row.result.model_validate(body)
        return status, body


async def test_a_node_that_is_well() -> None:
    status, health = await Story().get("short.health")
    assert status == 200
    assert (health["status"], health["timestamp"], health["uptime"]) == ("ok", 1234567890, 3600500)
    assert [*health["components"]] == ["crypto", "signaling", "dht", "p2p", "storage", "ai"]
    assert health["components"]["ai"] == {"status": "ok", "detail": "a; b; c"}, "what the advisor finds is not an illness"


@pytest.mark.parametrize(
    ("story", "component"),
    [
        (Story(crypto=CRYPTO | {"initialized": False, "reasons": ["ML-KEM-1024: wrong"]}), "crypto"),
        (Story(crypto=ApplianceError("broken")), "crypto"),
        (Story(metrics=GOOD["metrics"] | {"components": {"worker": "it died"}}), "p2p"),
        (Story(metrics=GOOD["metrics"] | {"ready": False}), "p2p"),
        (Story(metrics=TimeoutError()), "p2p"),
        (Story("the disk is full"), "storage"),
        (Story(signalling=PartState("it ended", {})), "signaling"),
        (Story(metrics=GOOD["metrics"] | {"components": {"dht": "records cannot be kept"}}), "dht"),
        (Story(**{"dht.nodes": ApplianceError("this should not have happened")}), "dht"),
        (Story(**{"dht.nodes": TimeoutError()}), "dht"),
    ],
)
async def test_what_is_not_well_is_named_and_the_rest_is_told(story: Story, component: str) -> None:
    status, health = await story.get("short.health")
    assert status == 503
    unwell = {name for name, how in health["components"].items() if how["status"] == "unwell"}
    assert unwell == {component}
    assert health["components"][component]["detail"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_each_answers_while_the_node_does_not(row: Any) -> None:
    gone = ApplianceError("no node")
    await Story(peers=gone, crypto=gone, metrics=gone, **{"dht.nodes": gone}).get(row.name)


async def test_each_peer_is_there_once() -> None:
    _, peers = await Story().get("short.peers")
    assert (peers["connected"], peers["total"]) == (1, 2)


async def test_the_hash_table_is_told_in_three_places_with_the_same_figures() -> None:
    stats = {"totalNodes": 1, "bucketsUsed": 1, "bootstrapNodes": 1}
    assert await Story().get("short.dht") == (200, {"nodes": GOOD["dht.nodes"]["nodes"], "stats": stats})
    _, peers = await Story().get("short.peers")
    assert peers["dht"] == stats
    assert (peers["signaling"]["dhtNodes"], peers["signaling"]["dhtBuckets"]) == (1, 1)
    _, health = await Story().get("short.health")
    assert health["components"]["dht"] == {"status": "ok", "detail": "1 nodes in 1 buckets"}


async def test_a_node_alone_in_its_hash_table_is_not_ill() -> None:
    alone = {"id": "00", "nodes": [], "stats": NONE, "warning": "members are connected, and none of them answers"}
    status, health = await Story(**{"dht.nodes": alone}).get("short.health")
    assert (status, health["components"]["dht"]) == (200, {"status": "ok", "detail": alone["warning"]})


@pytest.mark.parametrize("why", [GONE, TimeoutError()], ids=lambda why: type(why).__name__)
async def test_without_a_hash_table_there_is_nothing_of_it(why: Exception) -> None:
    story = Story(metrics=GOOD["metrics"] | {"components": {"worker": "ok"}}, **{"dht.nodes": why})
    _, peers = await story.get("short.peers")
    assert (peers["total"], peers["dht"]) == (2, NONE)
    status, health = await story.get("short.health")
    assert (status, health["components"]["dht"]["status"]) == (200, "absent")
    assert await story.get("short.dht") == (200, {"nodes": [], "stats": NONE})


async def test_who_may_not_see_the_hash_table_is_told_the_rest() -> None:
    story = Story(**{"dht.nodes": MissingPrivilege("no")})
    _, peers = await story.get("short.peers")
    assert (peers["total"], peers["dht"]) == (2, NONE)
    status, health = await story.get("short.health")
    assert (status, health["components"]["dht"]["status"]) == (200, "ok")
    with pytest.raises(MissingPrivilege):
        await story.get("short.dht")


async def test_whom_the_node_refuses_hears_that() -> None:
    with pytest.raises(MissingPrivilege):
        await Story(peers=MissingPrivilege("no")).get("short.peers")


SIGNALLED = {"connections": 7, "peers": 5, "held": 2, "offer": 9}


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (None, (0, 0, 0)),
        (PartState("", SIGNALLED), (7, 7, 5)),
        (PartState("its figures: RuntimeError", {}), (0, 0, 0)),
        (PartState("", {"connections": "many", "peers": -1, "held": True}), (0, 0, 0)),
    ],
)
async def test_signalling_is_told_in_figures_whatever_its_plugin_says(told: PartState | None, wanted: tuple[int, ...]) -> None:
    _, peers = await Story(signalling=told).get("short.peers")
    found = peers["signaling"]
    assert (found["connections"], found["peers"], found["connectedPeers"]) == wanted


async def test_signalling_is_a_component_where_there_is_one() -> None:
    found = [
        (await Story(signalling=told).get("short.health"))[1]["components"]["signaling"]
        for told in (None, PartState("", SIGNALLED))
    ]
    assert [each["status"] for each in found] == ["absent", "ok"]
    assert found[1]["detail"] == "5 peers"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_each_has_exactly_its_published_json_whatever_is_broken_or_slow(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short_paths, "ANSWERS_WITHIN", 0.001)
    broken: tuple[Any, ...] = (ApplianceError("broken"), SLOW)
    signalling = (None, PartState("", SIGNALLED), PartState("it ended", {}), PartState("", {"peers": "many", "held": None}))
    answers = PUBLISHED["paths"][row.full_path]["get"]["responses"]
    for crypto, table, metrics, state, storage in itertools.product(
        (GOOD["crypto"], *broken), (GOOD["dht.nodes"], *broken), (GOOD["metrics"], *broken), signalling, ("", SLOW)
    ):
        story = Story(storage, state, crypto=crypto, metrics=metrics, peers=crypto, **{"dht.nodes": table})
        if crypto is GOOD["crypto"]:
            story.answers["peers"] = GOOD["peers"]
        status, body = await story.get(row.name)
        schema = answers[str(status)]["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, "components": PUBLISHED["components"]}).validate(body)


async def test_a_store_that_does_not_answer_is_named_and_the_rest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short_paths, "ANSWERS_WITHIN", 0.1)
    status, health = await Story(SLOW).get("short.health")
    assert (status, health["components"]["storage"]) == (503, {"status": "unwell", "detail": "the store does not answer"})
