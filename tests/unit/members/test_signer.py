from __future__ import annotations

import pytest

from appliance.members.issuing import CannotIssue
from appliance.members.revocation import MAX_SUBJECTS, Revocation
from appliance.members.scope import Role, Scope
from appliance.members.signer import Signer
from appliance.members.trust import Trust
from appliance.protocol.identity import Identity
from appliance.testing.pair import identity_of
from tests.unit.members.signed import DAY, NETWORK, NOW, OWNER, WIDE, grants, identity, names

ISSUER = identity_of("issuer")


def signing(trust: Trust, key: Identity = OWNER, clock: int = NOW * 1_000_000) -> Signer:
    return Signer(trust, key, clock)


def with_issuer(scope: Scope = WIDE) -> Trust:
    trust = Trust(NETWORK)
    signing(trust).certify(ISSUER.public, "issuer", grants(), now=NOW, lifetime=30 * DAY, scope=scope)
    return trust


def certify(signer: Signer, name: str, *addresses: str, now: int = NOW, lifetime: int = DAY) -> object:
    return signer.certify(identity_of(name).public, name, grants(*addresses), now=now, lifetime=lifetime)


def test_what_is_signed_counts_and_serials_rise() -> None:
    trust = Trust(NETWORK)
    made = [certify(signing(trust), name) for name in "abc"]
    assert names(trust) == ["a", "b", "c"]
    assert [each.serial for each in made] == [NOW * 1_000_000 + n for n in range(3)]  # type: ignore[attr-defined]


def test_a_clock_that_went_back_uses_no_serial_twice() -> None:
    trust = Trust(NETWORK)
    first = certify(signing(trust), "a")
    second = certify(signing(trust, clock=5), "b")
    assert second.serial == first.serial + 1  # type: ignore[attr-defined]
    assert not trust.frauds()


def test_a_renewal_says_the_same_for_another_time() -> None:
    trust = with_issuer()
    (before,) = trust.members(NOW).values()
    after = signing(trust).renew(before, now=NOW + DAY, lifetime=60 * DAY)
    assert trust.members(NOW + DAY)[ISSUER.fingerprint] == after
    assert (after.not_before, after.not_after) == (NOW + DAY, NOW + 61 * DAY)
    assert (after.name, after.grants, after.scope, after.public) == (before.name, before.grants, before.scope, before.public)
    assert (after.since, after.epoch) == (before.since, before.epoch)


def test_signing_again_keeps_since_when_it_is_a_member() -> None:
    trust = Trust(NETWORK)
    certify(signing(trust), "a")
    again = certify(signing(trust), "a", "10.7.0.9", now=NOW + 60)
    assert again.since == NOW  # type: ignore[attr-defined]
    assert names(trust, NOW + 60) == ["a"]


def test_who_comes_back_has_a_later_epoch() -> None:
    trust = Trust(NETWORK)
    made = certify(signing(trust), "a")
    signing(trust).revoke([made], now=NOW)  # type: ignore[list-item]
    assert names(trust) == []
    again = certify(signing(trust), "a", now=NOW + 60)
    assert (again.epoch, again.since) == (1, NOW + 60)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "of", "given", "why"),
    [
        ("a", "b", grants(), "a has that name"),
        ("b", "b", grants("10.7.0.1"), "a has that address"),
        ("b", "b", grants(prefixes=("10.7.0.0/24",)), "a has some of that prefix"),
        ("other", "a", grants(), "renamed"),
        ("b", "b", grants("127.0.0.1"), "malformed"),
        ("b" * 300, "b", grants(), "cannot be written"),
    ],
)
def test_what_others_would_not_count_is_said_before_it_is_handed_out(name: str, of: str, given: object, why: str) -> None:
    trust = Trust(NETWORK)
    certify(signing(trust), "a", "10.7.0.1")
    with pytest.raises(CannotIssue, match=why) as caught:
        signing(trust).certify(identity_of(of).public, name, given, now=NOW + 1, lifetime=DAY)  # type: ignore[arg-type]
    assert caught.value.hint


def test_the_owners_key_is_no_nodes() -> None:
    with pytest.raises(CannotIssue, match="one of its own"):
        signing(Trust(NETWORK)).certify(OWNER.public, "a", grants(), now=NOW, lifetime=DAY)


def test_an_issuer_stays_within_its_scope() -> None:
    trust = with_issuer()
    signer = signing(trust, ISSUER)
    certify(signer, "a", "10.7.0.1")
    for beyond in (grants("10.8.0.1"), grants(roles=(Role.RELAY,))):
        with pytest.raises(CannotIssue, match="beyond-scope") as caught:
            signer.certify(identity_of("b").public, "b", beyond, now=NOW, lifetime=DAY)
        assert "owner's key" in caught.value.hint
    with pytest.raises(CannotIssue, match="chain-too-long"):
        signer.certify(identity_of("b").public, "b", grants(), now=NOW, lifetime=DAY, scope=WIDE)


def test_a_strangers_key_signs_nothing() -> None:
    with pytest.raises(CannotIssue, match="unknown-signer"):
        certify(signing(Trust(NETWORK), identity_of("stranger")), "a")


def test_an_issuer_removes_what_it_signed_only() -> None:
    trust = with_issuer()
    by_issuer, by_owner = certify(signing(trust, ISSUER), "a"), certify(signing(trust), "b")
    with pytest.raises(CannotIssue, match="did not sign b"):
        signing(trust, ISSUER).revoke([by_owner], now=NOW)  # type: ignore[list-item]
    signing(trust, ISSUER).revoke([by_issuer], now=NOW)  # type: ignore[list-item]
    assert names(trust) == ["b", "issuer"]


def test_whom_an_issuer_removed_it_brings_back() -> None:
    trust = with_issuer()
    signing(trust, ISSUER).revoke([certify(signing(trust, ISSUER), "a")], now=NOW)  # type: ignore[list-item]
    again = certify(signing(trust, ISSUER), "a")
    assert again.epoch == 1  # type: ignore[attr-defined]
    assert names(trust) == ["a", "issuer"]


@pytest.mark.parametrize(("keep", "left"), [(True, ["a", "b"]), (False, [])])
def test_what_a_removed_issuer_signed_counts_if_it_was_seen(keep: bool, left: list[str]) -> None:
    trust = with_issuer()
    for name in "ab":
        certify(signing(trust, ISSUER), name)
    signing(trust).revoke([trust.members(NOW)[ISSUER.fingerprint]], now=NOW, keep=keep)
    assert names(trust) == left


def test_an_issuer_that_was_removed_does_not_become_one_again() -> None:
    trust = with_issuer()
    signing(trust).revoke([trust.members(NOW)[ISSUER.fingerprint]], now=NOW)
    with pytest.raises(CannotIssue, match="removed once"):
        signing(trust).certify(ISSUER.public, "issuer", grants(), now=NOW, lifetime=DAY, scope=WIDE)


def test_more_than_one_revocation_has_room_for_is_kept_by_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.members.signer.MAX_KEPT", 3)
    trust = with_issuer()
    for name in "abcdefg":
        certify(signing(trust, ISSUER), name)
    made = signing(trust).revoke([trust.members(NOW)[ISSUER.fingerprint]], now=NOW)
    assert [len(each.keeps) for each in made] == [3, 3, 1]
    assert names(trust) == list("abcdefg")


def test_a_hundred_removals_are_two_statements() -> None:
    trust = Trust(NETWORK)
    for number in range(100):
        made = certify(signing(trust), f"n{number}")
        signing(trust).revoke([made], now=NOW + number)  # type: ignore[list-item]
    kept = [each for each in trust.statements() if isinstance(each, Revocation)]
    assert sorted(len(each.subjects) for each in kept) == [100 - MAX_SUBJECTS, MAX_SUBJECTS]
    assert all(trust.revoked(identity(f"n{number}")) for number in range(100))
