"""Enrolment against its vectors and against the formulas of docs/protocol.md, written here with nothing but hashlib and hmac."""

from __future__ import annotations

import base64
import hmac
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from appliance.members.code import read_code, write_code
from appliance.members.invitation import key_of, number_of
from appliance.members.proof import Bound, inviter_proof, joiner_proof

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("enrolment-1.json").read_text())
SECRET = bytes.fromhex(VECTORS["secret"])
RFC_4648, CROCKFORD = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def digest(fingerprint: str) -> bytes:
    return base64.b32decode(fingerprint.removeprefix("llp1:").upper() + "====")


@pytest.mark.parametrize("name", VECTORS["codes"])
def test_a_code_is_its_bytes_in_another_alphabet(name: str) -> None:
    text = VECTORS["codes"][name]
    symbols = text.replace("-", "")
    plain = base64.b32decode(symbols.translate(str.maketrans(CROCKFORD, RFC_4648)) + "=" * (-len(symbols) % 8))
    assert plain[0] >> 4 == 1
    assert plain[1:17] == SECRET
    assert plain[17:49] == digest(VECTORS["inviter"])
    assert plain[-3:] == sha256(b"LLP1 code" + plain[:-3]).digest()[:3]
    assert write_code(read_code(text)) == text
    assert read_code(text).secret == SECRET


def test_where_a_code_says_to_call() -> None:
    direct, relayed = (read_code(VECTORS["codes"][name]) for name in ("direct", "by a relay"))
    assert list(map(str, direct.inviter.endpoints)) == [
        "udp://198.51.100.7:8443",
        "tcp://198.51.100.7:8443",
        "udp://[2001:db8::1]:443",
        "tcp://vpn.example:8443",
    ]
    assert relayed.inviter.endpoints == ()
    assert [(relay.identity, *map(str, relay.endpoints)) for relay in relayed.relays] == [
        (VECTORS["relay"], "wss://relay.example/llp")
    ]


def test_what_follows_from_a_secret() -> None:
    number = hmac.digest(SECRET, b"LLP1 invitation number", "sha512")[:8]
    key = hmac.digest(SECRET, b"LLP1 invitation key", "sha512")[:32]
    assert (number.hex(), key.hex()) == (VECTORS["number"], VECTORS["key"])
    assert (number_of(SECRET), key_of(SECRET)) == (number, key)


def test_the_proofs_of_both_ends() -> None:
    exporter, body = bytes.fromhex(VECTORS["exporter"]), bytes.fromhex(VECTORS["body"])
    key = bytes.fromhex(VECTORS["key"])
    told = exporter + digest(VECTORS["joiner"]) + digest(VECTORS["inviter"])
    joiner = hmac.digest(key, b"LLP1 enrolment joiner" + told, "sha512")[:32]
    inviter = hmac.digest(key, b"LLP1 enrolment inviter" + told + body, "sha512")[:32]
    assert (joiner.hex(), inviter.hex()) == (VECTORS["joiner_proof"], VECTORS["inviter_proof"])
    bound = Bound(bytes(16), exporter, VECTORS["joiner"], VECTORS["inviter"])
    assert (joiner_proof(key, bound), inviter_proof(key, bound, body)) == (joiner, inviter)


def test_what_stands_for_a_session_where_a_member_passes_on() -> None:
    number = bytes.fromhex(VECTORS["passed_on"]["number"])
    place = sha256(b"LLP1 enrolment passed on" + number + digest(VECTORS["relay"])).hexdigest()
    assert place == VECTORS["passed_on"]["in_its_place"]
    assert Bound.passed_on(number, VECTORS["relay"], VECTORS["joiner"], VECTORS["inviter"]).exporter.hex() == place
