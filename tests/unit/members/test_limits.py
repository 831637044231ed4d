"""Ten thousand of everything: memory is bounded, signatures are verified seldom, and removing works at every limit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from appliance.members import removals, trust
from appliance.members.removals import MAX_OF_ISSUER as MAX_REVOCATIONS_OF_ISSUER
from appliance.members.scope import Scope
from appliance.members.statement import Refusal, StatementRefused
from appliance.members.trust import MAX_CERTIFICATES, MAX_OF_ISSUER, Trust
from appliance.protocol.identity import PublicIdentity
from appliance.testing.pair import identity_of
from tests.unit.members.signed import DAY, NETWORK, NOW, certificate, identity, issuer, names, revocation, trusting

ISSUER = identity_of("issuer")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that are reached soon; the real ones need half a minute of signing."""
    monkeypatch.setattr(trust, "MAX_CERTIFICATES", 8)
    monkeypatch.setattr(trust, "MAX_OF_ISSUER", 5)
    monkeypatch.setattr(trust, "MAX_ISSUERS", 3)
    monkeypatch.setattr(removals, "MAX_OF_OWNER", 4)


def refused(known: Trust, statement: Any, now: int = NOW) -> Refusal:
    with pytest.raises(StatementRefused) as found:
        known.take(statement.encoded, now)
    return found.value.reason


def forged(count: int) -> Iterator[bytes]:
    """So many certificates, each of another node and by the owner, if one believed them."""
    good = certificate("laptop").encoded
    at = good.index(identity_of("laptop").public.digest)
    for number in range(count):
        yield good[:at] + number.to_bytes(32, "big") + good[at + 32 :]


def test_ten_thousand_forged_ones_leave_nothing() -> None:
    known = Trust(NETWORK)
    for _ in range(2):
        for encoded in forged(5_000):
            with pytest.raises(StatementRefused, match="bad-signature"):
                known.take(encoded, NOW)
    assert known.refused == {Refusal.BAD_SIGNATURE: 10_000}
    assert len(known._bad) == trust.MAX_BAD
    assert not known.statements()


def test_a_forged_one_that_comes_again_is_not_verified_again() -> None:
    known = Trust(NETWORK)
    (encoded,) = forged(1)
    for _ in range(100):
        with pytest.raises(StatementRefused, match="bad-signature"):
            known.take(encoded, NOW)
    assert known.verified == 1


def test_what_cannot_count_is_refused_without_verifying() -> None:
    known = trusting(issuer(scope=Scope(DAY)))
    before = known.verified
    for number in range(50):
        assert refused(known, certificate(f"n{number}", ISSUER)) is Refusal.BEYOND_SCOPE
        assert refused(known, certificate(f"n{number}", identity_of("nobody"))) is Refusal.UNKNOWN_SIGNER
    assert known.verified == before


def test_one_issuer_cannot_keep_the_owner_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real limits: a signature of the issuer's is good whatever it says here, since none is looked at."""
    known = trusting(issuer())
    monkeypatch.setattr(PublicIdentity, "verify", lambda *_: None)
    good = certificate("laptop", ISSUER).encoded
    at, serial = good.index(identity_of("laptop").public.digest), 66
    for number in range(10_000):
        other = good[:serial] + number.to_bytes(8, "big") + good[serial + 8 : at] + number.to_bytes(32, "big") + good[at + 32 :]
        with suppress(StatementRefused):
            known.take(other, NOW)
    assert known.refused == {Refusal.FULL: 10_000 - MAX_OF_ISSUER}
    assert MAX_CERTIFICATES > 2 * MAX_OF_ISSUER - 1
    known.take(certificate("server").encoded, NOW)
    assert "server" in names(known)
    known.take(revocation("issuer").encoded, NOW)
    assert names(known) == ["server"]
    assert [each.issuer for each in known.statements()] == [NETWORK.fingerprint] * 3


@pytest.mark.usefixtures("small")
def test_removing_works_when_adding_is_full() -> None:
    known = trusting(*(certificate(f"n{number}") for number in range(8)))
    assert refused(known, certificate("one-more")) is Refusal.FULL
    known.take(revocation("n3").encoded, NOW)
    known.take(certificate("one-more").encoded, NOW)
    assert len(names(known)) == 8
    assert "n3" not in names(known)


@pytest.mark.usefixtures("small")
def test_what_has_ended_makes_room() -> None:
    known = trusting(*(certificate(f"n{number}", not_after=NOW + DAY) for number in range(8)))
    known.take(certificate("one-more").encoded, NOW + DAY)
    assert names(known, NOW + DAY) == ["one-more"]


@pytest.mark.usefixtures("small")
def test_the_oldest_of_too_many_revocations_goes_first() -> None:
    known = trusting(*(revocation(f"n{number}", serial=number, at=NOW + number) for number in range(5)))
    assert not known.revoked(identity("n0"))
    assert all(known.revoked(identity(f"n{number}")) for number in range(1, 5))
    assert refused(known, revocation("n0", serial=9)) is Refusal.FULL
    known.take(revocation(*(f"n{number}" for number in range(5)), serial=10, at=NOW + 10).encoded, NOW)
    assert len(known.statements()) == 1
    assert known.revoked(identity("n0")), "one may name many"


def test_an_issuers_revocations_are_bounded() -> None:
    count = MAX_REVOCATIONS_OF_ISSUER + 3
    known = trusting(issuer(), *(revocation(f"n{n}", by=ISSUER, serial=n, at=NOW + n) for n in range(count)))
    assert len(known.statements()) == 1 + MAX_REVOCATIONS_OF_ISSUER


@pytest.mark.usefixtures("small")
def test_issuers_are_bounded_and_a_removed_one_makes_room() -> None:
    known = trusting(*(issuer(f"i{number}", serial=number) for number in range(3)))
    assert refused(known, issuer("i3", serial=3)) is Refusal.FULL
    known.take(revocation("i1", serial=9).encoded, NOW)
    known.take(issuer("i3", serial=3).encoded, NOW)
    assert names(known) == ["i0", "i2", "i3"]


def test_a_thousand_rotations_in_a_row() -> None:
    """The same node, removed and back a thousand times: what is kept of it stays one certificate and one revocation."""
    known = Trust(NETWORK)
    for epoch in range(1000):
        assert known.next_epoch(identity("laptop")) == epoch
        known.take(certificate("laptop", epoch=epoch, serial=2 * epoch).encoded, NOW)
        assert names(known) == ["laptop"]
        known.take(revocation("laptop", epoch=epoch, serial=2 * epoch + 1, at=NOW + epoch).encoded, NOW)
        assert names(known) == []
    assert len(known.statements()) == 1
    assert len(known._known) == len(known._serials) == 1
