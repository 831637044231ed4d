from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.errors import PeerFault
from appliance.members.certificate import MAX_LIFETIME
from appliance.members.revocation import MAX_KEPT, MAX_SUBJECTS, fraud_of, read_fraud, read_revocation
from appliance.members.signing import sign_revocation
from appliance.members.statement import MAX_STATEMENT_BYTES, Refusal, StatementRefused
from appliance.testing.pair import identity_of
from tests.unit.members.signed import DAY, NETWORK, NOW, OWNER, certificate, identity, revocation

KEPT = certificate("a").digest


def test_it_says_what_was_signed() -> None:
    found = revocation("a", "b", epoch=3, keeps=[KEPT])
    assert read_revocation(found.encoded) == found
    assert found.subjects == {identity("a"): 3, identity("b"): 3}
    assert (found.at, found.keeps, found.by_owner) == (NOW, {KEPT}, True)


def test_the_largest_is_no_more_than_a_statement() -> None:
    subjects = {identity(f"n{n}"): n for n in range(MAX_SUBJECTS)}
    keeps = [n.to_bytes(32, "big") for n in range(MAX_KEPT)]
    found = sign_revocation(OWNER, NETWORK, subjects, serial=1, at=NOW, keeps=keeps)
    assert len(found.encoded) <= MAX_STATEMENT_BYTES
    for more in ({**subjects, identity("one-more"): 0}, {}):
        with pytest.raises(StatementRefused, match="malformed"):
            sign_revocation(OWNER, NETWORK, more, serial=1, at=NOW)


def test_an_issuer_keeps_nothing() -> None:
    with pytest.raises(StatementRefused) as refused:
        revocation("a", by=identity_of("issuer"), keeps=[KEPT])
    assert refused.value.reason is Refusal.BEYOND_SCOPE


def test_an_identity_is_named_once() -> None:
    found = revocation("a", "b")
    first, second = sorted(found.encoded.index(identity_of(name).public.digest) for name in ("a", "b"))
    twice = found.encoded[:second] + found.encoded[first : first + 32] + b"\0\0\0\1" + found.encoded[second + 36 :]
    with pytest.raises(StatementRefused, match="malformed"):
        read_revocation(twice)


def test_it_is_needed_as_long_as_a_certificate_may_be_valid() -> None:
    found = revocation("a")
    assert found.is_needed(NOW + MAX_LIFETIME)
    assert not found.is_needed(NOW + MAX_LIFETIME + DAY)


def test_what_contains_another() -> None:
    small, large = revocation("a"), revocation("a", "b", serial=3, at=NOW + 1)
    assert large.contains(small)
    assert not small.contains(large)
    assert not replace(large, subjects={identity("a"): 0}).contains(revocation("a", epoch=1))
    assert not large.contains(revocation("a", keeps=[KEPT]))


def test_two_statements_with_one_serial_prove_a_fraud() -> None:
    first, second = certificate("a", serial=1), certificate("b", serial=1)
    proof = fraud_of(first.encoded, second.encoded)
    assert proof == fraud_of(second.encoded, first.encoded) == read_fraud(proof.encoded)
    assert (proof.issuer, proof.serial) == (NETWORK.fingerprint, 1)
    proof.verify(NETWORK)
    with pytest.raises(PeerFault, match="bad-signature"):
        proof.verify(identity_of("a").public)


def test_statements_of_two_kinds_prove_it_too() -> None:
    fraud_of(revocation("a", serial=1).encoded, certificate("a", serial=1).encoded).verify(NETWORK)


@pytest.mark.parametrize("at", [80, 200, 5000, 9000])
def test_a_changed_proof_proves_nothing(at: int) -> None:
    encoded = bytearray(fraud_of(certificate("a", serial=1).encoded, certificate("b", serial=1).encoded).encoded)
    encoded[at] ^= 1
    with pytest.raises(PeerFault):
        read_fraud(bytes(encoded)).verify(NETWORK)


def test_one_statement_twice_is_no_fraud() -> None:
    with pytest.raises(StatementRefused, match="malformed"):
        fraud_of(certificate("a", serial=1).encoded, certificate("a", serial=1).encoded)
