from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from appliance.members.certificate import CLOCK_SKEW, read_proof
from appliance.members.clashes import Why
from appliance.members.network import NetworkKey
from appliance.members.revocation import fraud_of
from appliance.members.scope import Scope
from appliance.members.statement import Refusal, StatementRefused
from appliance.members.trust import Taken, Trust
from appliance.protocol.identity import SIGNATURE_BYTES
from appliance.testing.pair import identity_of
from tests.unit.members.signed import (
    DAY,
    NETWORK,
    NOW,
    WIDE,
    certificate,
    grants,
    identity,
    issuer,
    names,
    revocation,
    trusting,
)

ISSUER = identity_of("issuer")


def refused(trust: Trust, statement: Any, now: int = NOW) -> Refusal:
    before, changes = trust.refused.total(), trust.changes
    with pytest.raises(StatementRefused) as found:
        trust.take(statement.encoded, now)
    assert trust.refused.total() == before + 1
    assert trust.changes == changes
    return found.value.reason


def test_who_has_a_certificate_is_a_member() -> None:
    laptop = certificate("laptop")
    trust = trusting(laptop)
    assert trust.members(NOW) == {identity("laptop"): laptop}
    assert trust.take(certificate("laptop").encoded, NOW) is Taken.KNOWN, "signed once more, it says the same"
    assert trust.verified == 1


def test_times_decide() -> None:
    trust = trusting(certificate("laptop"))
    assert names(trust, NOW - CLOCK_SKEW) == names(trust, NOW + 30 * DAY - 1) == ["laptop"]
    assert names(trust, NOW - CLOCK_SKEW - 1) == names(trust, NOW + 30 * DAY) == []
    assert refused(trust, certificate("phone"), NOW + 30 * DAY) is Refusal.EXPIRED
    assert refused(trust, certificate("phone"), NOW - CLOCK_SKEW - 1) is Refusal.NOT_YET_VALID


def test_another_network_is_another() -> None:
    theirs = NetworkKey(identity_of("their-owner").public.encoded)
    assert refused(trusting(), certificate("laptop", identity_of("their-owner"), network=theirs)) is Refusal.FOREIGN_NETWORK


def test_a_strangers_signature_counts_for_nothing() -> None:
    assert refused(trusting(), certificate("laptop", identity_of("stranger"))) is Refusal.UNKNOWN_SIGNER
    assert refused(trusting(certificate("laptop")), certificate("phone", identity_of("laptop"))) is Refusal.UNKNOWN_SIGNER


@pytest.mark.parametrize("at", [2, 40, 70, 80, 300, -1, -SIGNATURE_BYTES, -SIGNATURE_BYTES + 32, -SIGNATURE_BYTES + 64])
def test_a_changed_byte_is_noticed_once(at: int) -> None:
    trust = trusting(issuer())
    forged = bytearray(certificate("laptop", ISSUER, grants=grants(*(f"10.7.0.{n}" for n in range(8)))).encoded)
    forged[at] ^= 1
    for _ in range(3):
        with pytest.raises(StatementRefused) as found:
            trust.take(bytes(forged), NOW)
        assert found.value.reason in {Refusal.BAD_SIGNATURE, Refusal.MALFORMED, Refusal.FOREIGN_NETWORK, Refusal.UNKNOWN_SIGNER}
    assert trust.verified <= 2
    assert names(trust) == ["issuer"]


def test_half_a_signature_is_none() -> None:
    good = certificate("laptop").encoded
    for half in (slice(-SIGNATURE_BYTES, -SIGNATURE_BYTES + 64), slice(-SIGNATURE_BYTES + 64, None)):
        forged = bytearray(good)
        forged[half] = certificate("phone").encoded[half]
        with pytest.raises(StatementRefused, match="bad-signature"):
            trusting().take(bytes(forged), NOW)


def test_a_malleable_signature_is_none() -> None:
    """The other S of Ed25519 that would verify if nobody looked at its size (RFC 8032, section 5.1.7)."""
    forged = bytearray(certificate("laptop").encoded)
    scalar = slice(-SIGNATURE_BYTES + 32, -SIGNATURE_BYTES + 64)
    order = 2**252 + 27742317777372353535851937790883648493
    forged[scalar] = (int.from_bytes(forged[scalar], "little") + order).to_bytes(32, "little")
    with pytest.raises(StatementRefused, match="bad-signature"):
        trusting().take(bytes(forged), NOW)


def test_an_issuer_signs_in_the_owners_place_within_its_scope() -> None:
    trust = trusting(issuer(), certificate("laptop", ISSUER, grants=grants("10.7.0.1", tags=("desk",))))
    assert names(trust) == ["issuer", "laptop"]
    assert refused(trust, certificate("phone", ISSUER, grants=grants("10.8.0.1"))) is Refusal.BEYOND_SCOPE
    assert refused(trust, certificate("phone", ISSUER, not_after=NOW + 31 * DAY)) is Refusal.BEYOND_SCOPE


def test_a_scope_that_is_narrowed_holds_for_what_was_signed_before() -> None:
    laptop = certificate("laptop", ISSUER, grants=grants("10.7.0.1"))
    trust = trusting(issuer(), laptop, issuer(scope=Scope(30 * DAY), since=NOW, not_before=NOW + 1, serial=2))
    assert names(trust) == ["issuer"]
    (aside,) = trust.set_aside(NOW)
    assert (aside.certificate, aside.why) == (laptop, Why.BEYOND_SCOPE)


def test_when_the_issuers_certificate_ends_so_does_what_it_signed() -> None:
    trust = trusting(issuer(not_after=NOW + DAY), certificate("laptop", ISSUER))
    assert names(trust, NOW + DAY) == []
    assert [each.why for each in trust.set_aside(NOW + DAY)] == [Why.NO_ISSUER]
    trust.take(issuer(not_before=NOW + DAY, since=NOW, serial=2).encoded, NOW + DAY)
    assert names(trust, NOW + DAY) == ["issuer", "laptop"]


def test_a_renewed_certificate_replaces_the_older_one() -> None:
    old = certificate("laptop")
    new = certificate("laptop", since=NOW, not_before=NOW + DAY, not_after=NOW + 40 * DAY, serial=2)
    trust = trusting(old, new, now=NOW + DAY)
    assert trust.members(NOW + DAY)[identity("laptop")] == new
    assert refused(trust, old, NOW + DAY) is Refusal.SUPERSEDED
    assert [each.encoded for each in trust.statements()] == [new.encoded]


def test_any_issuer_renews_what_the_owner_signed() -> None:
    laptop, renewed = certificate("laptop", not_after=NOW + DAY), certificate("laptop", ISSUER, since=NOW)
    trust = trusting(issuer(), laptop, renewed)
    assert trust.members(NOW)[identity("laptop")] == laptop, "the owner's word goes before an issuer's"
    assert trust.members(NOW + DAY)[identity("laptop")] == renewed


def test_a_member_keeps_its_name() -> None:
    trust = trusting(certificate("laptop"))
    renamed = certificate("notebook", of="laptop", not_before=NOW + 1, serial=2)
    assert refused(trust, renamed) is Refusal.RENAMED
    trust.take(certificate("notebook", of="laptop", not_before=NOW + 1, serial=3, epoch=1).encoded, NOW)
    assert names(trust) == ["notebook"], "a later epoch is another membership"


def test_a_revocation_ends_a_membership_whichever_comes_first() -> None:
    laptop, removal = certificate("laptop"), revocation("laptop")
    for order in ((laptop, removal), (removal,)):
        trust = trusting(*order)
        assert names(trust) == []
        assert trust.revoked(identity("laptop"))
        assert refused(trust, laptop) is Refusal.REVOKED
        assert refused(trust, certificate("laptop", not_before=NOW + 1, serial=9)) is Refusal.REVOKED, "of the same epoch"


def test_a_removed_member_comes_back_by_a_later_epoch() -> None:
    trust = trusting(certificate("laptop"), revocation("laptop"))
    assert trust.next_epoch(identity("laptop")) == 1
    trust.take(certificate("laptop", epoch=1, serial=3).encoded, NOW)
    assert names(trust) == ["laptop"]
    assert not trust.revoked(identity("laptop"))
    trust.take(revocation("laptop", epoch=1, serial=4).encoded, NOW)
    assert names(trust) == []


def test_whom_the_owner_removed_no_issuer_brings_back() -> None:
    trust = trusting(issuer(), revocation("laptop"))
    assert refused(trust, certificate("laptop", ISSUER, epoch=7)) is Refusal.REVOKED


def test_an_issuer_removes_what_it_signed_and_nothing_else() -> None:
    other = identity_of("other-issuer")
    trust = trusting(
        issuer(),
        issuer("other-issuer", serial=11),
        certificate("laptop", ISSUER),
        certificate("phone", other),
        certificate("server", serial=12),
        revocation("laptop", "phone", "server", "issuer", by=ISSUER),
    )
    assert names(trust) == ["issuer", "other-issuer", "phone", "server"]
    assert trust.revoked(identity("laptop"))
    assert not trust.revoked(identity("phone"))
    assert [each.why for each in trust.set_aside(NOW)] == [Why.REMOVED]


def test_what_a_removed_issuer_signs_counts_no_more_but_for_what_was_seen() -> None:
    seen, missed = certificate("laptop", ISSUER), certificate("phone", ISSUER, serial=2)
    trust = trusting(issuer(), seen, missed, revocation("issuer", keeps=[seen.digest]))
    assert names(trust) == ["laptop"]
    (aside, of_issuer) = sorted(trust.set_aside(NOW), key=lambda each: each.why)
    assert (aside.certificate, aside.why) == (missed, Why.ISSUER_REMOVED)
    assert of_issuer.certificate.name == "issuer"
    assert refused(trust, certificate("tablet", ISSUER, serial=3)) is Refusal.SIGNER_REMOVED
    again = Trust(NETWORK)
    for each in trust.statements():
        again.take(each.encoded, NOW)
    assert names(again) == ["laptop"], "a newcomer comes to the same"
    assert again.set_aside(NOW)[0].certificate.name == "issuer", "and was never told the rest"


def test_a_removed_issuer_that_comes_back_signs_nothing_that_counts() -> None:
    trust = trusting(issuer(), certificate("laptop", ISSUER), revocation("issuer"), issuer(epoch=1, serial=3))
    assert names(trust) == ["issuer"]


def test_removing_an_issuer_takes_back_what_it_removed_unless_that_was_seen() -> None:
    laptop, removal = certificate("laptop", ISSUER), revocation("laptop", by=ISSUER)
    kept = trusting(issuer(), laptop, removal, revocation("issuer", keeps=[laptop.digest, removal.digest], serial=7))
    assert names(kept) == []
    assert names(trusting(issuer(), laptop, removal, revocation("issuer", keeps=[laptop.digest], serial=7))) == ["laptop"]


def test_a_serial_twice_with_two_contents_ends_an_issuer() -> None:
    laptop, phone = certificate("laptop", ISSUER, serial=1), certificate("phone", ISSUER, serial=1)
    trust = trusting(issuer(), laptop)
    assert trust.take(phone.encoded, NOW) is Taken.FRAUD
    assert names(trust) == ["issuer"]
    (proof,) = trust.frauds()
    assert proof == fraud_of(laptop.encoded, phone.encoded)
    away = trusting(issuer(), certificate("tablet", ISSUER, serial=9))
    assert away.take(proof.encoded, NOW) is Taken.FRAUD
    assert away.take(proof.encoded, NOW) is Taken.KNOWN
    assert names(away) == ["issuer"], "the proof is enough"
    away.take(revocation("issuer", keeps=[laptop.digest]).encoded, NOW)
    away.take(laptop.encoded, NOW)
    assert names(away) == ["laptop"], "and the owner may vouch for what it made"


def test_of_two_statements_of_the_owners_with_one_serial_both_count_and_it_is_shown() -> None:
    trust = trusting(certificate("laptop", serial=1))
    assert trust.take(certificate("phone", serial=1).encoded, NOW) is Taken.FRAUD
    assert names(trust) == ["laptop", "phone"]
    assert [each.issuer for each in trust.frauds()] == [NETWORK.fingerprint]


def test_a_forged_proof_of_fraud_is_refused() -> None:
    trust = trusting(issuer())
    proof = bytearray(fraud_of(certificate("a", ISSUER, serial=1).encoded, certificate("b", ISSUER, serial=1).encoded).encoded)
    proof[5000] ^= 1
    with pytest.raises(StatementRefused, match="bad-signature"):
        trust.take(bytes(proof), NOW)
    assert not trust.frauds()


def test_a_proof_convinces_whoever_has_the_networks_key() -> None:
    trust = trusting(issuer(), certificate("laptop", ISSUER), certificate("phone", serial=2))
    for name, links in (("laptop", 2), ("phone", 1)):
        proof = read_proof(trust.proof_of(identity(name)))
        assert len(proof) == links
        stranger = Trust(NETWORK)
        for each in proof:
            stranger.take(each, NOW)
        assert identity(name) in stranger.members(NOW)
    with pytest.raises(KeyError):
        trust.proof_of(identity("nobody"))


def test_newer_revocations_take_the_place_of_those_they_contain() -> None:
    trust = trusting(*(revocation(name, serial=n) for n, name in enumerate("abc")))
    trust.take(revocation("a", "b", "c", serial=9, at=NOW + 1).encoded, NOW)
    assert len(trust.statements()) == 1
    assert refused(trust, revocation("b", serial=10)) is Refusal.SUPERSEDED
    assert all(trust.revoked(identity(name)) for name in "abc")


def test_a_revocation_is_forgotten_when_nothing_it_ends_can_be_valid() -> None:
    assert refused(trusting(), revocation("a", at=NOW - 3 * 366 * DAY)) is Refusal.EXPIRED


def test_an_issuer_with_two_certificates_of_the_owner_has_the_scope_of_the_newer() -> None:
    wider = Scope(30 * DAY, (*WIDE.addresses, ip_network("10.8.0.0/16")))
    trust = trusting(issuer(), issuer(scope=wider, serial=2, since=NOW, not_before=NOW + 1))
    trust.take(certificate("phone", ISSUER, grants=grants("10.8.0.1")).encoded, NOW)
    assert names(trust) == ["issuer", "phone"]


def test_when_one_issuer_is_lost_another_goes_on() -> None:
    backup = identity_of("backup")
    trust = trusting(issuer(not_after=NOW + 2 * DAY), issuer("backup", serial=11), certificate("laptop", ISSUER))
    trust.take(certificate("laptop", backup, serial=12, since=NOW, not_before=NOW + DAY).encoded, NOW + DAY)
    assert names(trust, NOW + 2 * DAY) == ["backup", "laptop"]


def test_an_issuers_key_is_rotated_while_both_are_valid() -> None:
    laptop = certificate("laptop", ISSUER)
    trust = trusting(issuer(), laptop, issuer("next-issuer", serial=11))
    trust.take(certificate("phone", identity_of("next-issuer")).encoded, NOW)
    assert names(trust) == ["issuer", "laptop", "next-issuer", "phone"]
    trust.take(revocation("issuer", keeps=[laptop.digest]).encoded, NOW)
    assert names(trust) == ["laptop", "next-issuer", "phone"]


def test_a_nodes_key_is_rotated_under_its_name() -> None:
    old = certificate("laptop", grants=grants("10.7.0.1"))
    new = certificate("laptop", of="laptops-new-key", serial=11, grants=grants("10.7.0.1"))
    trust = trusting(old, revocation("laptop"), new)
    assert trust.members(NOW) == {identity("laptops-new-key"): new}
