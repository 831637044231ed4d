"""What callers ask about the hash table, and what they hear when they ask badly."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.api.management import Principal
from appliance.control.conversation import Request
from appliance.errors import ApplianceError
from appliance.knowledge.dht.jobs import Finished
from appliance.management.operations import dht as rows
from appliance.management.operations.table import BY_NAME
from appliance.runtime.knowledge.dht_questions import NothingFound, NothingKept, Questions
from appliance.runtime.knowledge.questions import NotShared, operations
from appliance.runtime.plugins.routes import BadArguments
from appliance.testing.pair import identity_of
from tests.rigs.meshed import Meshed, run
from tests.unit.runtime.knowledge.test_dht import AT, Node, all_of, lasting, of

B = identity_of("b").fingerprint


def about(node: Node) -> Questions:
    gossip = SimpleNamespace(endpoints_of=lambda row: [each.endpoint for each in row.endpoints])
    return Questions(SimpleNamespace(around=SimpleNamespace(mesh=node.host.mesh, gossip=gossip)), node.table)  # type: ignore[arg-type]


def test_answers_are_what_the_rows_say(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        nodes = await all_of(meshed, AT)
        a, b = about(nodes[0]), about(nodes[1])

        async def ask(questions: Questions, name: str, **arguments: Any) -> dict[str, Any]:
            row = BY_NAME[f"dht.{name}"]
            row.arguments.model_validate(arguments)
            answer: dict[str, Any] = await lasting(meshed, getattr(questions, name)(arguments))
            row.result.model_validate(answer)
            return answer

        await meshed.pause(20.0)
        kept = await ask(b, "put", key="menu", value="söup", seconds=3600)
        assert kept["stored_at"] == 4
        found = await ask(a, "get", key="menu")
        assert [(each["value"], each["by"]) for each in found["records"]] == [("söup", {"name": "b", "identity": B})]
        await ask(b, "put", key="menu", base64=base64.b64encode(b"\xff\0").decode())
        found = await ask(a, "get", key="menu")
        assert [(each["value"], base64.b64decode(each["base64"])) for each in found["records"]] == [(None, b"\xff\0")]
        await ask(b, "provide", key="bread")
        assert (await ask(a, "providers", key="bread"))["providers"] == [{"name": "b", "identity": B}]
        assert (await ask(b, "provide", key="bread", withdraw=True))["stored_at"] == 0
        for who in ("b", "B.home", B):
            found = await ask(a, "find", member=who)
            assert (found["name"], found["answers"], found["endpoints"], found["called_at"]) == ("b", True, [str(AT)], [str(AT)])
        table = await ask(a, "nodes")
        assert sorted(each["name"] for each in table["nodes"]) == ["b", "c", "d"]
        assert table["stats"]["totalNodes"] == 3
        assert await ask(a, "remove", member="b") == {"name": "b", "identity": B}
        assert sorted(each["name"] for each in (await ask(a, "nodes"))["nodes"]) == ["c", "d"]
        with pytest.raises(NothingFound):
            await a.remove({"member": "b"})
        assert (await ask(a, "add", member="b"))["name"] == "b"
        await meshed.until(lambda: len(nodes[0].table.machine.nodes()) == 3, 120.0)
        for node in nodes:
            await node.stop(meshed)

    run(story, tmp_path)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        node = await Node().join(meshed, "a")
        asked = about(node)
        for question in (asked.get({"key": "x"}), asked.providers({"key": "x"}), asked.find({"member": "b"})):
            with pytest.raises(NothingFound) as refused:
                await lasting(meshed, question)
            assert refused.value.hint
        await node.stop(meshed)

    run(story, tmp_path)


def test_a_record_that_nobody_keeps_may_be_put_again() -> None:
    with pytest.raises(NothingKept) as refused:
        Questions._kept(b"x", Finished(1, ok=False))
    assert refused.value.retryable


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("put", {}),
        ("put", {"key": "x"}),
        ("put", {"key": "x", "value": "y", "base64": "eA=="}),
        ("put", {"key": "x", "base64": "not base64"}),
        ("put", {"key": "x", "base64": 7}),
        ("put", {"key": "x", "value": "y" * 1025}),
        ("put", {"key": "x", "value": "\ud800"}),
        ("put", {"key": "", "value": "y"}),
        ("put", {"key": "ü" * 65, "value": "y"}),
        ("put", {"key": "a\nb", "value": "y"}),
        ("put", {"key": "a\0b", "value": "y"}),
        ("put", {"key": "\ud800", "value": "y"}),
        ("put", {"key": ["x"], "value": "y"}),
        ("put", {"key": "x", "value": "y", "seconds": 59}),
        ("put", {"key": "x", "value": "y", "seconds": 8 * 86400}),
        ("put", {"key": "x", "value": "y", "seconds": True}),
        ("put", {"key": "x", "value": "y", "seconds": float("nan")}),
        ("put", {"key": "x", "value": "y", "more": 1}),
        ("get", {"key": None}),
        ("get", {"key": "x", "member": "b"}),
        ("provide", {"key": "x", "withdraw": 1}),
        ("provide", {"key": "x", "seconds": "1h"}),
        ("providers", {}),
        ("find", {}),
        ("find", {"member": "nobody"}),
        ("find", {"member": "llp1:short"}),
        ("find", {"member": "llpn1:" + "a" * 52}),
        ("find", {"member": "x" * 1000}),
        ("nodes", {"all": True}),
        ("add", {"member": "a"}),
        ("add", {"member": "llp1:" + "a" * 52}),
        ("remove", {"member": 7}),
    ],
)
async def test_arguments_that_make_no_sense_are_refused_with_a_reason(name: str, arguments: Mapping[str, Any]) -> None:
    certificates = {identity_of(who).fingerprint: SimpleNamespace(name=who) for who in "ab"}
    mesh = SimpleNamespace(members=lambda: certificates, settings=SimpleNamespace(label="home"))
    own = SimpleNamespace(own=of("a"))
    asked = Questions(SimpleNamespace(around=SimpleNamespace(mesh=mesh, gossip=None)), own)  # type: ignore[arg-type]
    with pytest.raises(BadArguments) as refused:
        await getattr(asked, name)(arguments)
    assert refused.value.message


def test_each_row_is_an_operation_with_its_permission() -> None:
    there = operations(lambda: None)
    assert {row.name: row.permission for row in rows.ROWS} == {
        name: operation.permission for name, operation in there.items() if name.startswith("dht.")
    }


async def test_a_node_without_a_hash_table_says_so() -> None:
    asker = Request(Principal("local", "root", 0, 0, 1), {"key": "x"})
    for knowledge in (None, SimpleNamespace(parts={})):
        answer: Any = operations(lambda knowledge=knowledge: knowledge)["dht.get"].handler(asker)  # type: ignore[misc]
        with pytest.raises(NotShared) as refused:
            await answer
        assert isinstance(refused.value, ApplianceError)
        assert refused.value.hint
