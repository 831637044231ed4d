"""Two nodes ask each other, on a simulated network in virtual time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from question_and_answer.plugin import KIND, conformance

from appliance.api.peer_protocol import PeerProtocolKind
from appliance.testing.conformance.peer_protocol import PeerProtocolConformance
from appliance.testing.network import Network
from appliance.testing.peer_protocol import PeerProtocolPair

KNOWS = {"facts": {"moon": "full", "tide": "hœch"}}


class TestConformance(PeerProtocolConformance):
    kinds = ("fact",)

    def kind(self) -> PeerProtocolKind:
        return KIND

    def settings(self) -> Mapping[str, Any]:
        return conformance[KIND.name]["settings"]


@pytest.mark.parametrize("loss", [0.0, 0.3])
async def test_a_node_is_told_what_it_asks(tmp_path: Path, loss: float) -> None:
    notebook = tmp_path / "answers.json"
    asks = {"questions": ["moon", "tide", "weather"], "notebook": str(notebook)}
    async with PeerProtocolPair(KIND, a=asks, b=KNOWS, network=Network(3, loss=loss)) as pair:
        await pair.until(lambda: len(pair.a.answers.get("b", {})) == 2 and "refused" in pair.nodes["b"].figures)
        assert pair.a.answers == {"b": KNOWS["facts"]}
        assert pair.b.answers == {}
        assert json.loads(notebook.read_text()) == pair.a.answers
        assert pair.nodes["b"].figures["refused"] == 1, "nobody knows what the weather is"
    assert pair.failures == []


async def test_a_node_that_does_not_answer_is_asked_again() -> None:
    async with PeerProtocolPair(KIND, a={"questions": ["moon"]}, b=None) as pair:
        await pair.pause(30.0)
        await pair.nodes["b"].protocols.use({KIND.name: KNOWS})
        await pair.until(lambda: "b" in pair.a.answers)


async def test_a_notebook_that_cannot_be_written_is_reported() -> None:
    asks = {"questions": ["moon"], "notebook": "/no/such/folder/answers.json"}
    async with PeerProtocolPair(KIND, a=asks, b=KNOWS) as pair:
        await pair.until(lambda: "b" in pair.a.answers)
        assert "the notebook cannot be written" in pair.nodes["a"].reports[0]
