"""Writes enrolment-1.json, the test vectors of enrolment: python tests/vectors/generate_enrolment_1.py"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from appliance.api.values import Endpoint
from appliance.members.code import Code, Contact, write_code
from appliance.members.invitation import key_of, number_of
from appliance.members.network import identity_text
from appliance.members.proof import Bound, inviter_proof, joiner_proof

FILE = Path(__file__).with_name("enrolment-1.json")


def fixed(name: str, length: int = 32) -> bytes:
    """Bytes that anybody can make again."""
    return sha256(f"LLP1 test vector: {name}".encode()).digest()[:length]


def generate() -> dict[str, object]:
    """All vectors."""
    secret, body = fixed("invitation", 16), fixed("body")
    joiner, inviter, relay = (identity_text(fixed(name)) for name in ("joiner", "inviter", "relay"))
    bound = Bound(fixed("session", 16), fixed("exporter"), joiner, inviter)
    through = Bound.passed_on(bound.session, relay, joiner, inviter)
    key = key_of(secret)
    direct = ("udp://198.51.100.7:8443", "tcp://198.51.100.7:8443", "udp://[2001:db8::1]:443", "tcp://vpn.example:8443")
    codes = {
        "direct": Code(secret, Contact(inviter, tuple(map(Endpoint.parse, direct)))),
        "by a relay": Code(secret, Contact(inviter, ()), (Contact(relay, (Endpoint.parse("wss://relay.example/llp"),)),)),
    }
    return {
        "secret": secret.hex(),
        "inviter": inviter,
        "joiner": joiner,
        "relay": relay,
        "codes": {name: write_code(code) for name, code in codes.items()},
        "number": number_of(secret).hex(),
        "key": key.hex(),
        "exporter": bound.exporter.hex(),
        "body": body.hex(),
        "joiner_proof": joiner_proof(key, bound).hex(),
        "inviter_proof": inviter_proof(key, bound, body).hex(),
        "passed_on": {"number": bound.session.hex(), "in_its_place": through.exporter.hex()},
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(generate(), indent=1) + "\n")
