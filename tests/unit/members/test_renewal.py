from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.members.issuing import CannotIssue
from appliance.members.renewal import is_due, renewed
from appliance.members.signer import Signer
from appliance.members.trust import Trust
from appliance.protocol.identity import Identity
from appliance.testing.pair import identity_of
from tests.unit.members.signed import DAY, NOW, OWNER, WIDE, certificate, grants, identity, issuer, revocation, trusting

ISSUER = identity_of("issuer")
LAPTOP = identity("laptop")
LATE = NOW + 21 * DAY


def signer(trust: Trust, key: Identity = OWNER) -> Signer:
    return Signer(trust, key, LATE * 1_000_000)


def test_it_is_due_in_the_last_third() -> None:
    trust = trusting(certificate("laptop"))
    assert not is_due(trust, LAPTOP, NOW + 20 * DAY)
    assert is_due(trust, LAPTOP, NOW + 20 * DAY + 1)
    assert not is_due(trust, LAPTOP, NOW + 30 * DAY), "it has ended: a person decides"
    assert not is_due(trust, identity("nobody"), NOW)


def test_it_is_renewed_for_as_long_as_before() -> None:
    trust = trusting(certificate("laptop", grants=grants("10.7.0.1")))
    made = renewed(trust, signer(trust), LAPTOP, LATE)
    assert trust.members(LATE)[LAPTOP] == made
    assert (made.not_before, made.not_after, made.addresses) == (
        LATE,
        LATE + 30 * DAY,
        certificate("laptop", grants=grants("10.7.0.1")).addresses,
    )
    assert not is_due(trust, LAPTOP, LATE)
    with pytest.raises(CannotIssue, match="not to be renewed"):
        renewed(trust, signer(trust), LAPTOP, LATE)


def test_what_an_issuer_renewed_is_enough_although_it_waits() -> None:
    trust = trusting(issuer(not_after=NOW + 60 * DAY), certificate("laptop", grants=grants("10.7.0.1")))
    made = renewed(trust, signer(trust, ISSUER), LAPTOP, LATE)
    assert trust.members(LATE)[LAPTOP].by_owner
    assert not is_due(trust, LAPTOP, LATE)
    assert trust.members(NOW + 31 * DAY)[LAPTOP] == made


def test_it_is_due_when_its_issuers_certificate_ends_soon() -> None:
    trust = trusting(issuer(not_after=NOW + 15 * DAY), certificate("laptop", ISSUER))
    assert not is_due(trust, LAPTOP, NOW + 5 * DAY)
    assert is_due(trust, LAPTOP, NOW + 6 * DAY)
    with pytest.raises(CannotIssue, match="end sooner"):
        renewed(trust, signer(trust, ISSUER), LAPTOP, NOW + 6 * DAY)
    made = renewed(trust, signer(trust), LAPTOP, NOW + 6 * DAY)
    assert trust.ends_at(made) == NOW + 36 * DAY


def test_a_final_one_ends() -> None:
    trust = trusting(certificate("laptop", grants=replace(grants(), final=True)))
    assert not is_due(trust, LAPTOP, LATE)
    with pytest.raises(CannotIssue):
        renewed(trust, signer(trust), LAPTOP, LATE)


def test_who_may_not_sign_renews_nothing() -> None:
    trust = trusting(issuer(not_after=NOW + 60 * DAY), certificate("laptop", grants=grants("10.8.0.1")))
    for key in (ISSUER, identity_of("laptop"), identity_of("stranger")):
        with pytest.raises(CannotIssue):
            renewed(trust, signer(trust, key), LAPTOP, LATE)
    assert is_due(trust, LAPTOP, LATE)


def test_an_issuers_own_is_the_owners_to_renew() -> None:
    trust = trusting(issuer())
    with pytest.raises(CannotIssue, match="end sooner"):
        renewed(trust, signer(trust, ISSUER), ISSUER.fingerprint, LATE)
    assert renewed(trust, signer(trust), ISSUER.fingerprint, LATE).scope == WIDE


def test_an_issuer_that_may_give_less_waits_until_that_is_more() -> None:
    trust = trusting(
        issuer(scope=replace(WIDE, lifetime=5 * DAY), not_after=NOW + 60 * DAY), certificate("laptop", grants=grants("10.7.0.1"))
    )
    with pytest.raises(CannotIssue, match="end sooner"):
        renewed(trust, signer(trust, ISSUER), LAPTOP, LATE)
    assert renewed(trust, signer(trust, ISSUER), LAPTOP, NOW + 26 * DAY).not_after == NOW + 31 * DAY


def test_a_removed_member_is_not_renewed() -> None:
    trust = trusting(certificate("laptop"), revocation("laptop"))
    assert not is_due(trust, LAPTOP, LATE)
    with pytest.raises(CannotIssue):
        renewed(trust, signer(trust), LAPTOP, LATE)
