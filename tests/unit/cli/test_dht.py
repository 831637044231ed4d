"""`appliance dht …`: what is asked of the node, and what people and programs read."""

from __future__ import annotations

import argparse
import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from appliance.cli import dht
from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal
from appliance.control import client

ANN = {"name": "ann", "identity": "llp1:a"}


class Node:
    """Notes what it is asked, and answers with what a test laid down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.answer: Any = {}
        monkeypatch.setattr(client, "call", self._call)

    def _call(self, op: str, args: Mapping[str, Any], *, timeout: float) -> Any:
        assert timeout
        self.asked.append((op, args))
        return self.answer


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(monkeypatch)


def run(command: Any, *, as_json: bool = False, **words: Any) -> str:
    out = io.StringIO()
    assert command(argparse.Namespace(**words), Terminal(json=as_json, out=out, err=io.StringIO())) == 0
    return out.getvalue()


def record(value: str | None, raw: bytes = b"", by: Mapping[str, str] = ANN) -> dict[str, Any]:
    encoded = base64.b64encode(raw or (value or "").encode()).decode()
    return {"value": value, "base64": encoded, "by": by, "sequence": "7", "written": "then", "expires": "later"}


def keeping(**more: Any) -> dict[str, Any]:
    return {"key": "menu", "value": None, "file": None, "for": None} | more


def test_a_value_is_put_from_the_command_line_a_file_or_standard_input(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.answer = {"stored_at": 3, "seconds": 0.02}
    (tmp_path / "value").write_bytes(b"\xff\0")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"piped\n")))
    assert run(dht.put, **keeping(value="soup")) == "kept by 3 members, after 0.02 s\n"
    run(dht.put, **keeping(file=str(tmp_path / "value")))
    run(dht.put, **keeping())
    assert [base64.b64decode(args["base64"]) for _, args in node.asked] == [b"soup", b"\xff\0", b"piped\n"]


def test_for_how_long_is_said_in_seconds(node: Node) -> None:
    node.answer = {"stored_at": 1, "seconds": 0.0}
    run(dht.put, **keeping(value="soup") | {"for": "8h"})
    run(dht.provide, **keeping(withdraw=False) | {"for": "2min"})
    assert [args["seconds"] for _, args in node.asked] == [28800.0, 120.0]
    with pytest.raises(UsageError, match="--for"):
        run(dht.put, **keeping(value="soup") | {"for": "soon"})


@pytest.mark.parametrize("words", [{"value": "x" * 1025}, {"value": "x", "file": "y"}, {"file": "/nonexistent"}])
def test_what_cannot_be_a_value_is_not_asked_for(node: Node, words: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        run(dht.put, **keeping(**words))
    assert not node.asked


def test_one_text_is_printed_as_it_is_and_other_bytes_in_base_64(node: Node, tmp_path: Path) -> None:
    node.answer = {"records": [record("soup")]}
    assert run(dht.get, key="menu", output=None) == "soup\n"
    node.answer = {"records": [record(None, b"\xff\0")]}
    assert run(dht.get, key="menu", output=None) == "/wA=\n"
    assert run(dht.get, key="menu", output=str(tmp_path / "value")) == ""
    assert (tmp_path / "value").read_bytes() == b"\xff\0"
    assert json.loads(run(dht.get, as_json=True, key="menu", output=None)) == node.answer


def test_several_records_are_a_table_with_their_writers(node: Node) -> None:
    node.answer = {"records": [record("soup"), record("fish", by={"name": "ben", "identity": "llp1:b"})]}
    head, first, second = run(dht.get, key="menu", output=None).splitlines()
    assert head.split() == ["WRITTEN", "BY", "WRITTEN", "EXPIRES", "VALUE"]
    assert (first.split()[0], second.split()[-1]) == ("ann", "fish")


def test_a_withdrawal_is_asked_for(node: Node) -> None:
    run(dht.provide, **keeping(withdraw=True))
    assert node.asked == [("dht.provide", {"key": "menu", "withdraw": True})]


def test_a_member_that_was_found_and_one_that_was_not(node: Node) -> None:
    node.answer = ANN | {"answers": True, "endpoints": ["udp://192.0.2.1:1"], "relays": [ANN], "closest": []}
    shown = run(dht.find, member="ann").splitlines()
    assert shown == [
        "ann  llp1:a",
        "answers: yes",
        "at udp://192.0.2.1:1",
        "over ann",
        "closest to it: nobody that answered",
    ]


def test_the_table_and_who_is_added_and_removed(node: Node) -> None:
    stats = {"totalNodes": 1, "bucketsUsed": 1, "bootstrapNodes": 0}
    entry = ANN | {"id": "ff", "bucket": 159, "heard_s": 3.0, "failures": 0}
    node.answer = {"nodes": [entry], "stats": stats, "figures": {"records": 5}, "warning": ""}
    shown = run(dht.nodes).splitlines()
    assert shown[1].split() == ["ann", "159", "3.0s", "ago", "ff"]
    assert shown[2] == "1 nodes in 1 buckets; 5 records kept here"
    node.answer = {"nodes": [], "stats": stats, "figures": {}, "warning": "nobody answers"}
    assert run(dht.nodes).splitlines()[0] == "no other node is known"
    assert run(dht.nodes).splitlines()[-1] == "warning: nobody answers"
    node.answer = ANN
    assert "ann is asked" in run(dht.add, member="ann")
    assert "ann is out" in run(dht.remove, member="ann")


def test_providers_are_a_table(node: Node) -> None:
    node.answer = {"providers": [ANN]}
    assert run(dht.providers, key="menu").splitlines()[1].split() == ["ann", "llp1:a"]
