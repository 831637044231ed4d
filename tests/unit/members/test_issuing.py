from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from appliance.members.addressing import ranges_of
from appliance.members.certificate import Certificate
from appliance.members.invitation import Terms
from appliance.members.issuing import LIFETIME, CannotIssue, ClockWrong, Issuer
from appliance.members.scope import Role, Scope
from appliance.members.trust import Trust
from appliance.testing.pair import identity_of
from tests.unit.members.signed import DAY, NOW, OWNER, WIDE, certificate, grants, issuer, names, revocation, trusting

LAPTOP = identity_of("laptop").public


def owner(trust: Trust | None = None) -> Issuer:
    return Issuer(trust or trusting(), OWNER)


def given(issuer: Issuer, trust: Trust, terms: Terms, who: str = "laptop", now: int = NOW) -> Certificate:
    """A certificate that was issued, and counts."""
    made = issuer.issue(terms, terms.name, identity_of(who).public, now, 7 + now - NOW + len(trust.statements()))
    trust.take(made.encoded, now)
    return made


def test_what_the_owner_gives_counts() -> None:
    trust = trusting()
    terms = Terms("laptop", ("staff",), ("192.168.1.0/24",), exit=True, roles=("relay",))
    made = given(owner(trust), trust, terms)
    assert trust.members(NOW)[LAPTOP.fingerprint] == made
    assert (made.name, made.tags, made.exit, made.roles) == ("laptop", ("staff",), True, frozenset({Role.RELAY}))
    assert made.prefixes == (ip_network("192.168.1.0/24"),)
    assert (made.not_before, made.not_after, made.serial) == (NOW, NOW + LIFETIME, 7)
    v4, v6 = ranges_of(trust.network.digest)
    assert made.addresses[0] in v4
    assert made.addresses[1] in v6


def test_an_issuer_gives_within_its_scope() -> None:
    trust = trusting(issuer())
    scoped = Issuer(trust, identity_of("issuer"))
    made = given(scoped, trust, Terms("laptop", ("desk",)))
    assert made.not_after - made.not_before == WIDE.lifetime
    assert [address in WIDE.addresses[0] for address in made.addresses] == [True]
    for beyond in (Terms("phone", ("staff",)), Terms("phone", exit=True), Terms("phone", roles=("relay",))):
        with pytest.raises(CannotIssue, match="may not give all that"):
            scoped.check(beyond, NOW)
        with pytest.raises(CannotIssue, match="may not give all that"):
            scoped.issue(beyond, "phone", identity_of("phone").public, NOW, 8)


@pytest.mark.parametrize("who", ["stranger", "member"])
def test_who_is_no_issuer_invites_nobody(who: str) -> None:
    nobody = Issuer(trusting(certificate("member")), identity_of(who))
    with pytest.raises(CannotIssue, match="no issuer of the network") as caught:
        nobody.check(Terms("laptop"), NOW)
    assert "network new" in caught.value.hint


def test_a_name_is_one_members() -> None:
    trust = trusting(certificate("laptop", of="else"))
    for deed in (
        lambda: owner(trust).check(Terms("laptop"), NOW),
        lambda: owner(trust).issue(Terms("laptop"), "laptop", LAPTOP, NOW, 7),
    ):
        with pytest.raises(CannotIssue, match="a member laptop already") as caught:
            deed()
        assert "network revoke laptop" in caught.value.hint


SMALL = Scope(30 * DAY, (ip_network("10.0.0.0/30"), ip_network("fd00::/64")))


def test_addresses_are_free_ones_and_stay_a_nodes_own() -> None:
    trust = trusting(issuer(scope=SMALL), certificate("else", grants=grants("10.0.0.1")))
    issuing = Issuer(trust, identity_of("issuer"))
    first = given(issuing, trust, Terms("laptop"))
    assert str(first.addresses[0]) == "10.0.0.2"
    again = given(issuing, trust, Terms("laptop"), now=NOW + 1)
    assert (again.addresses, again.since) == (first.addresses, first.since)
    with pytest.raises(CannotIssue, match="a member already, as laptop"):
        issuing.issue(Terms("desk"), "desk", LAPTOP, NOW + 2, 11)
    phone = given(issuing, trust, Terms("phone"), "phone")
    assert [address.version for address in phone.addresses] == [6], "the range of IPv4 is full"


def test_who_does_not_know_the_time_invites_nobody() -> None:
    trust = trusting(certificate("own"))
    with pytest.raises(ClockWrong, match="this host's clock says 1970-01-02"):
        owner(trust).check(Terms("laptop"), DAY)
    with pytest.raises(ClockWrong):
        owner(trust).issue(Terms("laptop"), "laptop", LAPTOP, DAY, 7)


def test_a_range_that_is_full_is_said_to_be() -> None:
    trust = trusting(issuer(scope=Scope(30 * DAY, (ip_network("10.0.0.1/32"),))), certificate("else", grants=grants("10.0.0.1")))
    with pytest.raises(CannotIssue, match="no address is free"):
        Issuer(trust, identity_of("issuer")).issue(Terms("tv"), "tv", identity_of("tv").public, NOW, 10)


def test_the_owner_gives_addresses_around_those_of_the_eldest_member() -> None:
    elder = certificate("elder", since=NOW - DAY, not_before=NOW - DAY, grants=grants("10.9.0.1", "fd00:9::1"))
    trust = trusting(certificate("younger", grants=grants("10.8.0.1")), elder)
    v4, v6 = given(owner(trust), trust, Terms("laptop")).addresses
    assert v4 in ip_network("10.9.0.0/16")
    assert v6 in ip_network("fd00:9::/48")


def test_who_was_removed_comes_back_in_a_later_epoch() -> None:
    trust = trusting(certificate("laptop"), revocation("laptop"))
    assert names(trust) == []
    made = given(owner(trust), trust, Terms("laptop"))
    assert made.epoch == 1
    assert names(trust) == ["laptop"]


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        ({"name": "Laptop"}, "no name of a member"),
        ({"name": "a" * 61}, "too long"),
        ({"tags": ("Staff",)}, "no tag"),
        ({"tags": tuple(f"t{number}" for number in range(17))}, "17 tags are too many"),
        ({"prefixes": ("192.0.2.1/24",)}, "no prefix"),
        ({"prefixes": ("0.0.0.0/0",)}, "--exit"),
        ({"prefixes": ("127.0.0.0/8",)}, "not for a member to carry"),
        ({"roles": ("issuer",)}, "no role that an invitation can give"),
    ],
)
def test_what_nobody_can_have_is_said_when_somebody_is_invited(terms: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CannotIssue, match=sentence):
        owner().check(Terms(**{"name": "laptop"} | terms), NOW)
