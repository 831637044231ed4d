from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from appliance.members.certificate import MAX_LIFETIME, Certificate, pack_proof, read_certificate, read_proof
from appliance.members.scope import Grants, Role, Scope
from appliance.members.statement import HEAD_BYTES, Refusal, StatementRefused
from appliance.protocol.identity import ED25519_KEY_BYTES, SIGNATURE_BYTES
from appliance.testing.pair import identity_of
from appliance.wire.control import MAX_CONTROL_BYTES, MAX_HEAD_BYTES
from tests.unit.members.signed import DAY, NETWORK, NOW, OWNER, certificate, grants, identity, issuer

FULL = grants(
    "10.7.0.1",
    "fd00::1",
    prefixes=("192.168.7.0/24", "fd01::/64"),
    tags=("desk", "of-ann"),
    roles=("relay", "rendezvous"),
    is_exit=True,
)
FLAGS_AT = HEAD_BYTES + 32 + ED25519_KEY_BYTES + 4 + 3 * 8
NAME_AT = FLAGS_AT + 1


def test_it_says_what_was_signed() -> None:
    found = certificate("laptop", serial=7, epoch=2, since=NOW - DAY, grants=FULL)
    assert read_certificate(found.encoded) == found
    assert (found.network, found.issuer, found.by_owner) == (NETWORK.fingerprint, NETWORK.fingerprint, True)
    assert (found.name, found.identity, found.serial, found.epoch) == ("laptop", identity("laptop"), 7, 2)
    assert found.ed25519 == identity_of("laptop").public.encoded[:32]
    assert (found.since, found.not_before, found.not_after) == (NOW - DAY, NOW, NOW + 30 * DAY)
    assert found.addresses == (ip_address("10.7.0.1"), ip_address("fd00::1"))
    assert found.prefixes == (ip_network("192.168.7.0/24"), ip_network("fd01::/64"))
    assert found.exit
    assert not found.final
    assert read_certificate(certificate("laptop", grants=replace(FULL, final=True)).encoded).final
    assert found.tags == ("desk", "of-ann")
    assert found.roles == {Role.RELAY, Role.RENDEZVOUS}
    assert found.scope is None


def test_an_issuers_has_its_whole_key_and_its_scope() -> None:
    scope = Scope(DAY, (ip_network("0.0.0.0/0"),), (), ("desk",), any_tag=True, roles=frozenset({Role.RELAY}), exit=True)
    found = issuer(scope=scope)
    assert read_certificate(found.encoded).scope == scope
    assert found.public == identity_of("issuer").public.encoded
    assert found.roles == {Role.ISSUER}


def test_an_issuer_signs_in_its_own_name() -> None:
    found = certificate("laptop", identity_of("issuer"))
    assert (found.issuer, found.by_owner) == (identity("issuer"), False)


def test_signing_the_same_again_gives_the_same_statement() -> None:
    first, again = certificate("laptop"), certificate("laptop")
    assert first.encoded != again.encoded, "ML-DSA draws at random"
    assert first.digest == again.digest
    assert first.digest != certificate("laptop", serial=2).digest


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"name": "Laptop"}, Refusal.MALFORMED),
        ({"name": ""}, Refusal.MALFORMED),
        ({"name": "-a"}, Refusal.MALFORMED),
        ({"name": "a" * 64}, Refusal.MALFORMED),
        ({"name": "a.b"}, Refusal.MALFORMED),
        ({"since": NOW + 1}, Refusal.MALFORMED),
        ({"not_after": NOW}, Refusal.MALFORMED),
        ({"not_after": NOW + MAX_LIFETIME + 1}, Refusal.MALFORMED),
        ({"grants": grants("127.0.0.1")}, Refusal.MALFORMED),
        ({"grants": grants("::ffff:10.0.0.1")}, Refusal.MALFORMED),
        ({"grants": grants("224.0.0.1")}, Refusal.MALFORMED),
        ({"grants": grants(prefixes=("0.0.0.0/0",))}, Refusal.MALFORMED),
        ({"grants": grants(prefixes=("169.254.1.0/24",))}, Refusal.MALFORMED),
        ({"grants": grants(tags=("Desk",))}, Refusal.MALFORMED),
        ({"grants": grants(tags=("a" * 33,))}, Refusal.MALFORMED),
        ({"grants": grants(*(f"10.7.0.{n}" for n in range(1, 10)))}, Refusal.MALFORMED),
        ({"grants": grants(prefixes=tuple(f"10.{n}.0.0/16" for n in range(17)))}, Refusal.MALFORMED),
        ({"grants": grants(tags=tuple(f"t{n}" for n in range(17)))}, Refusal.MALFORMED),
        ({"grants": grants(roles=("issuer",))}, Refusal.MALFORMED),
        ({"by": identity_of("issuer"), "scope": Scope(DAY)}, Refusal.CHAIN_TOO_LONG),
    ],
    ids=str,
)
def test_what_nobody_would_take_is_not_signed(words: dict[str, Any], reason: Refusal) -> None:
    with pytest.raises(StatementRefused) as refused:
        certificate(words.pop("name", "laptop"), words.pop("by", OWNER), of="laptop", **words)
    assert refused.value.reason is reason


def changed(at: int, value: bytes) -> Callable[[Certificate], bytes]:
    return lambda found: found.encoded[:at] + value + found.encoded[at + len(value) :]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda found: found.encoded[:50], Refusal.MALFORMED),
        (lambda found: found.encoded[: HEAD_BYTES + SIGNATURE_BYTES], Refusal.MALFORMED),
        (lambda found: found.encoded + bytes(8192), Refusal.TOO_LONG),
        (lambda found: found.encoded[:-SIGNATURE_BYTES] + b"\0" + found.encoded[-SIGNATURE_BYTES:], Refusal.MALFORMED),
        (changed(0, b"\2"), Refusal.MALFORMED),
        (changed(1, b"\2"), Refusal.MALFORMED),
        (changed(1, b"\7"), Refusal.MALFORMED),
        (changed(FLAGS_AT, b"\x40"), Refusal.MALFORMED),
        (changed(NAME_AT, b"\x05LAPTO"), Refusal.MALFORMED),
        (changed(NAME_AT, b"\x05\xff"), Refusal.MALFORMED),
    ],
)
def test_what_is_no_certificate(change: Callable[[Certificate], bytes], reason: Refusal) -> None:
    with pytest.raises(StatementRefused) as refused:
        read_certificate(change(certificate("lapto", grants=FULL)))
    assert refused.value.reason is reason


def test_lists_have_one_order() -> None:
    found = certificate("laptop", grants=grants("10.7.0.1", "10.7.0.2"))
    one, two = (ip_address(f"10.7.0.{n}").packed for n in (1, 2))
    swapped = found.encoded.replace(one, b"????").replace(two, one).replace(b"????", two)
    doubled = found.encoded.replace(two, one)
    for wrong in (swapped, doubled):
        with pytest.raises(StatementRefused, match="malformed"):
            read_certificate(wrong)
    assert certificate("laptop", grants=grants("10.7.0.2", "10.7.0.1", "10.7.0.2")).digest == found.digest


def test_host_bits_of_a_prefix_are_zero() -> None:
    found = certificate("laptop", grants=grants(prefixes=("192.168.7.0/24",)))
    with pytest.raises(StatementRefused, match="malformed"):
        read_certificate(found.encoded.replace(ip_address("192.168.7.0").packed, ip_address("192.168.7.1").packed))


def test_an_issuers_key_is_that_of_its_identity() -> None:
    found = issuer()
    with pytest.raises(StatementRefused, match="malformed"):
        read_certificate(found.encoded.replace(found.public[100:200], bytes(100)))


def test_the_largest_proof_fits_into_a_control_message() -> None:
    prefixes = tuple(ip_network(f"fd00:{n:x}::/32") for n in range(1, 17))
    tags = tuple("t" * 31 + letter for letter in "abcdefghijklmnop")
    most = Grants(
        tuple(ip_address(f"fd00::{n}") for n in range(1, 9)), prefixes, exit=True, tags=tags, roles=frozenset({Role.RELAY})
    )
    signer = certificate("i" * 63, of="issuer", grants=most, scope=Scope(DAY, prefixes, prefixes, tags))
    node = certificate("n" * 63, identity_of("issuer"), of="n", grants=most)
    proof = pack_proof([signer.encoded, node.encoded])
    assert read_proof(proof) == (signer.encoded, node.encoded)
    assert len(proof) + 512 < MAX_CONTROL_BYTES, "the head of its message has room"
    assert MAX_HEAD_BYTES > 512


def test_a_proof_of_one_and_what_is_none() -> None:
    encoded = certificate("laptop").encoded
    proof = pack_proof([encoded])
    assert read_proof(proof) == (encoded,)
    for wrong in (b"", b"\0", proof[:-1], proof + b"\0", proof * 3):
        with pytest.raises(StatementRefused, match="malformed"):
            read_proof(wrong)


@pytest.mark.parametrize(
    "beyond",
    [
        {"not_after": NOW + DAY + 1},
        {"grants": grants("10.8.0.1")},
        {"grants": grants("10.7.0.1", "fd00::1")},
        {"grants": grants(prefixes=("192.168.0.0/15",))},
        {"grants": grants(prefixes=("fd00::/64",))},
        {"grants": grants(tags=("desk", "root"))},
        {"grants": grants(roles=("relay",))},
        {"grants": grants(is_exit=True)},
    ],
    ids=str,
)
def test_a_scope_limits_each_thing(beyond: dict[str, Any]) -> None:
    scope = Scope(DAY, (ip_network("10.7.0.0/16"),), (ip_network("192.168.0.0/16"),), ("desk",))
    within = {"not_after": NOW + DAY, "grants": grants("10.7.0.1", prefixes=("192.168.7.0/24",), tags=("desk",))}
    assert certificate("laptop", **within).is_within(scope)
    assert not certificate("laptop", **(within | beyond)).is_within(scope)
    wide = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    everything = Scope(MAX_LIFETIME, wide, wide, (), any_tag=True, roles=frozenset({Role.RELAY}), exit=True)
    assert certificate("laptop", **(within | beyond)).is_within(everything)
    assert not certificate("laptop", **within).is_within(replace(scope, addresses=()))
