"""The published vectors of networks and certificates (members-1.json): what the code does today is what they say."""

from __future__ import annotations

import json
import runpy
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from appliance.members.carried import read_request
from appliance.members.certificate import read_certificate, read_proof
from appliance.members.network import NetworkKey
from appliance.members.revocation import read_fraud, read_revocation
from appliance.members.statement import StatementRefused
from appliance.members.trust import Trust

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("members-1.json").read_text())
STATEMENTS = {name: bytes.fromhex(each["encoded"]) for name, each in VECTORS["statements"].items()}
NETWORK = NetworkKey(bytes.fromhex(VECTORS["owner"]["public"]))
NOW = 1_800_000_000
GENERATOR = runpy.run_path(str(Path(__file__).with_name("generate_members_1.py")))
READERS = {"certificate": read_certificate, "revocation": read_revocation, "fraud": read_fraud}


def test_the_network_is_named_by_its_key() -> None:
    assert NETWORK.fingerprint == VECTORS["owner"]["network"]


@pytest.mark.parametrize("name", STATEMENTS)
def test_statements(name: str) -> None:
    vector = VECTORS["statements"][name]
    assert GENERATOR["described"](READERS[vector["kind"]](STATEMENTS[name])) == vector
    if "signed" in vector:
        assert sha256(bytes.fromhex(vector["signed"])).hexdigest() == vector["digest"]
        key = NETWORK if vector["issuer"] == NETWORK.fingerprint else NetworkKey(bytes.fromhex(VECTORS["issuer"]["public"]))
        key.verify(STATEMENTS[name][-4691:], bytes.fromhex(vector["signed"]))


def test_the_proof() -> None:
    assert read_proof(bytes.fromhex(VECTORS["proof"])) == (STATEMENTS["issuer"], STATEMENTS["laptop"])


@pytest.mark.parametrize("edit", VECTORS["refused"], ids=lambda edit: f"{edit['of']}-{edit['at']}")
def test_what_is_refused(edit: dict[str, Any]) -> None:
    trust = Trust(NETWORK)
    if edit["of"] != "issuer":
        trust.take(STATEMENTS["issuer"], NOW)
    put, at = bytes.fromhex(edit["put"]), edit["at"]
    good = STATEMENTS[edit["of"]]
    assert good[at : at + len(put)] != put
    with pytest.raises(StatementRefused) as refused:
        trust.take(good[:at] + put + good[at + len(put) :], NOW)
    assert refused.value.reason == edit["reason"]


@pytest.mark.parametrize("story", VECTORS["stories"], ids=lambda story: "-".join((*story["take"], str(story["now"] - NOW))))
def test_who_is_a_member(story: dict[str, Any]) -> None:
    trust, refused = Trust(NETWORK), {}
    for name in story["take"]:
        try:
            trust.take(STATEMENTS[name], NOW)
        except StatementRefused as refusal:
            refused[name] = refusal.reason
    names = {bytes.fromhex(each["digest"]): name for name, each in VECTORS["statements"].items()}
    assert refused == story.get("refused", {})
    assert sorted(names[each.digest] for each in trust.members(story["now"]).values()) == story["members"]
    assert {names[each.certificate.digest]: each.why for each in trust.set_aside(story["now"])} == story["aside"]


def test_the_request() -> None:
    assert read_request(VECTORS["request"]).encoded.hex()[:64] == VECTORS["statements"]["laptop"]["ed25519"]


def test_the_generator_says_the_same() -> None:
    made = json.loads(json.dumps(GENERATOR["generate"]()))
    for name, vector in VECTORS["statements"].items():
        drawn = {"encoded", "digest"} if vector["kind"] == "fraud" else {"encoded"}
        assert {k: v for k, v in made["statements"][name].items() if k not in drawn} == {
            k: v for k, v in vector.items() if k not in drawn
        }
    for name in ("owner", "issuer", "refused", "stories"):
        assert made[name] == VECTORS[name]
