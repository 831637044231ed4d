"""Writes members-1.json, the test vectors of networks and certificates: python tests/vectors/generate_members_1.py

Everything is fixed but the ML-DSA signatures, which the library draws at random; test_members_1.py takes them as given.
"""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from appliance.members.carried import request_of
from appliance.members.certificate import Certificate, pack_proof
from appliance.members.network import NetworkKey
from appliance.members.revocation import Fraud, Revocation, fraud_of
from appliance.members.scope import Grants, Role, Scope
from appliance.members.signing import sign_certificate, sign_revocation
from appliance.members.statement import HEAD_BYTES, signed_message, split
from appliance.protocol.identity import Identity

FILE = Path(__file__).with_name("members-1.json")
NOW = 1_800_000_000
DAY = 86_400


def fixed(name: str) -> bytes:
    """32 bytes that anybody can make again."""
    return sha256(f"LLP1 members test vector: {name}".encode()).digest()


def key(name: str) -> Identity:
    """The keys of two fixed seeds."""
    return Identity.from_seeds(fixed(f"{name} Ed25519"), fixed(f"{name} ML-DSA-87"))


OWNER, ISSUER = key("owner"), key("issuer")
NETWORK = NetworkKey(OWNER.public.encoded)
SCOPE = Scope(
    30 * DAY,
    addresses=(ip_network("10.7.0.0/16"), ip_network("fd07::/48")),
    prefixes=(ip_network("192.168.0.0/16"),),
    tags=("desk",),
    roles=frozenset({Role.RELAY}),
)


def certificate(name: str, by: Identity, serial: int, *, of: str = "", **words: Any) -> Certificate:
    """One for the node `of`, which has that name unless it is said otherwise."""
    given: dict[str, Any] = {"not_before": NOW, "not_after": NOW + 30 * DAY} | words
    return sign_certificate(by, NETWORK, key(of or name).public, name=name, serial=serial, **given)


def statements() -> dict[str, Certificate | Revocation | Fraud]:
    """All statements by name."""
    everything = Grants(
        (ip_address("10.7.0.2"), ip_address("fd07::2")),
        (ip_network("192.168.7.0/24"),),
        exit=True,
        tags=("desk", "of-ann"),
        roles=frozenset({Role.RELAY, Role.RENDEZVOUS}),
    )
    first = Grants((ip_address("10.7.0.1"),), tags=("desk",))
    laptop = certificate("laptop", ISSUER, 11, grants=first)
    twin = certificate("phone", ISSUER, 11, grants=first)
    return {
        "issuer": certificate("issuer", OWNER, 1, since=NOW - DAY, scope=SCOPE),
        "server": certificate("server", OWNER, 2, grants=everything),
        "server-again": certificate(
            "server", OWNER, 3, since=NOW, not_before=NOW + 1, not_after=NOW + 60 * DAY, grants=everything
        ),
        "laptop": laptop,
        "same-address": certificate("tablet", ISSUER, 12, since=NOW - 1, grants=first),
        "same-name": certificate("server", ISSUER, 13, of="other"),
        "with-its-serial": twin,
        "fraud": fraud_of(laptop.encoded, twin.encoded),
        "removal": sign_revocation(OWNER, NETWORK, {key("server").fingerprint: 0}, serial=4, at=NOW),
        "server-back": certificate("server", OWNER, 5, epoch=1, grants=replace(everything, final=True)),
        "issuers-removal": sign_revocation(ISSUER, NETWORK, {key("laptop").fingerprint: 0}, serial=14, at=NOW),
        "removal-of-the-issuer": sign_revocation(
            OWNER, NETWORK, {key("issuer").fingerprint: 0}, serial=6, at=NOW, keeps=[laptop.digest]
        ),
    }


def edits(found: dict[str, Certificate | Revocation | Fraud]) -> list[dict[str, Any]]:
    """Bytes of a statement that are other ones, and the reason why the result is refused."""
    flags = HEAD_BYTES + 32 + 32 + 4 + 3 * 8
    address = found["server"].encoded.index(ip_address("10.7.0.2").packed)
    prefix = found["server"].encoded.index(ip_network("192.168.7.0/24").network_address.packed)
    return [
        {"of": "server", "at": 0, "put": "02", "reason": "malformed"},
        {"of": "server", "at": 1, "put": "02", "reason": "malformed"},
        {"of": "server", "at": 2, "put": "00", "reason": "foreign-network"},
        {"of": "server", "at": 34, "put": "00", "reason": "unknown-signer"},
        {"of": "server", "at": 73, "put": "ff", "reason": "bad-signature"},
        {"of": "server", "at": flags, "put": "47", "reason": "malformed"},
        {"of": "server", "at": flags + 2, "put": "53", "reason": "malformed"},
        {"of": "server", "at": address, "put": "7f", "reason": "malformed"},
        {"of": "server", "at": prefix + 3, "put": "01", "reason": "malformed"},
        {"of": "server", "at": len(found["server"].encoded) - 1, "put": "ff", "reason": "bad-signature"},
        {"of": "server", "at": len(found["server"].encoded) - 4691 + 63, "put": "ff", "reason": "bad-signature"},
        {"of": "issuer", "at": HEAD_BYTES + 32 + 100, "put": "ff", "reason": "malformed"},
        {"of": "removal", "at": HEAD_BYTES + 8, "put": "00", "reason": "malformed"},
        {"of": "fraud", "at": HEAD_BYTES, "put": "03", "reason": "malformed"},
        {"of": "fraud", "at": HEAD_BYTES + 100, "put": "00", "reason": "bad-signature"},
    ]


STORIES: list[dict[str, Any]] = [
    {"take": ["issuer", "server", "laptop"], "now": NOW, "members": ["issuer", "laptop", "server"], "aside": {}},
    {"take": ["issuer", "server", "laptop"], "now": NOW - 301, "members": [], "aside": {}},
    {"take": ["issuer", "server", "laptop"], "now": NOW + 30 * DAY, "members": [], "aside": {}},
    {"take": ["server", "server-again"], "now": NOW + 30 * DAY, "members": ["server-again"], "aside": {}},
    {
        "take": ["server-again", "server"],
        "now": NOW,
        "members": ["server-again"],
        "aside": {},
        "refused": {"server": "superseded"},
    },
    {"take": ["laptop"], "now": NOW, "members": [], "aside": {}, "refused": {"laptop": "unknown-signer"}},
    {
        "take": ["issuer", "laptop", "same-address"],
        "now": NOW,
        "members": ["issuer", "same-address"],
        "aside": {"laptop": "address-taken"},
    },
    {
        "take": ["issuer", "same-name", "server"],
        "now": NOW,
        "members": ["issuer", "server"],
        "aside": {"same-name": "name-taken"},
    },
    {"take": ["server", "removal"], "now": NOW, "members": [], "aside": {}},
    {"take": ["removal", "server"], "now": NOW, "members": [], "aside": {}, "refused": {"server": "revoked"}},
    {
        "take": ["removal", "server-back", "server"],
        "now": NOW,
        "members": ["server-back"],
        "aside": {},
        "refused": {"server": "revoked"},
    },
    {"take": ["issuer", "laptop", "issuers-removal"], "now": NOW, "members": ["issuer"], "aside": {"laptop": "removed"}},
    {
        "take": ["issuer", "laptop", "same-name", "removal-of-the-issuer"],
        "now": NOW,
        "members": ["laptop"],
        "aside": {"same-name": "issuer-removed", "issuer": "removed"},
    },
    {"take": ["issuer", "laptop", "with-its-serial"], "now": NOW, "members": ["issuer"], "aside": {"laptop": "issuer-removed"}},
    {
        "take": ["issuer", "fraud", "laptop"],
        "now": NOW,
        "members": ["issuer"],
        "aside": {},
        "refused": {"laptop": "signer-removed"},
    },
]


def generate() -> dict[str, Any]:
    """All vectors."""
    found = statements()
    issuer, laptop = found["issuer"], found["laptop"]
    return {
        "owner": keys(OWNER) | {"network": NETWORK.fingerprint},
        "issuer": keys(ISSUER) | {"identity": ISSUER.fingerprint},
        "statements": {name: described(each) for name, each in found.items()},
        "proof": pack_proof([issuer.encoded, laptop.encoded]).hex(),
        "refused": edits(found),
        "stories": STORIES,
        "request": request_of(key("laptop")),
    }


def keys(who: Identity) -> dict[str, str]:
    """Encoded public key."""
    return {"public": who.public.encoded.hex()}


def described(statement: Certificate | Revocation | Fraud) -> dict[str, Any]:
    """What it says, and its bytes."""
    common = {
        "issuer": statement.issuer,
        "serial": statement.serial,
        "encoded": statement.encoded.hex(),
        "digest": statement.digest.hex(),
    }
    if isinstance(statement, Fraud):
        return {"kind": "fraud", **common}
    kind = "certificate" if isinstance(statement, Certificate) else "revocation"
    head, body, _ = split(statement.encoded, statement_kind(kind))
    common["signed"] = signed_message(head, sha256(body).digest()).hex()
    if isinstance(statement, Revocation):
        said: dict[str, Any] = {
            "at": statement.at,
            "subjects": dict(statement.subjects),
            "keeps": [each.hex() for each in statement.keeps],
        }
        return {"kind": kind, **said, **common}
    scope = statement.scope
    said = {
        "identity": statement.identity,
        "ed25519": statement.ed25519.hex(),
        "epoch": statement.epoch,
        "since": statement.since,
        "not_before": statement.not_before,
        "not_after": statement.not_after,
        "name": statement.name,
        "addresses": [str(each) for each in statement.addresses],
        "prefixes": [str(each) for each in statement.prefixes],
        "exit": statement.exit,
        "tags": list(statement.tags),
        "roles": sorted(statement.roles),
        "final": statement.final,
        "scope": None if scope is None else described_scope(scope),
    }
    return {"kind": kind, **said, **common}


def described_scope(scope: Scope) -> dict[str, Any]:
    """What an issuer may give."""
    return {
        "lifetime": scope.lifetime,
        "tags": list(scope.tags),
        "any_tag": scope.any_tag,
        "addresses": [str(each) for each in scope.addresses],
        "prefixes": [str(each) for each in scope.prefixes],
        "roles": sorted(scope.roles),
        "exit": scope.exit,
    }


def statement_kind(name: str) -> Any:
    """The number of that kind."""
    from appliance.members.statement import Kind

    return Kind[name.upper()]


if __name__ == "__main__":
    FILE.write_text(json.dumps(generate(), indent=1) + "\n")
