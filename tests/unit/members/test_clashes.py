from __future__ import annotations

import pytest

from appliance.members.clashes import Why
from appliance.testing.pair import identity_of
from tests.unit.members.signed import NOW, certificate, grants, issuer, names, trusting

ISSUER = identity_of("issuer")
OLD = NOW - 100


@pytest.mark.parametrize(
    ("older", "newer", "why"),
    [
        (grants("10.7.0.1"), grants("10.7.0.1"), Why.ADDRESS_TAKEN),
        (grants("10.7.0.2", "fd00::1"), grants("10.7.0.1", "fd00::1"), Why.ADDRESS_TAKEN),
        (grants(prefixes=("10.8.0.0/16",)), grants("10.8.1.1"), Why.ADDRESS_TAKEN),
        (grants("10.8.1.1"), grants(prefixes=("10.8.0.0/16",)), Why.PREFIX_TAKEN),
        (grants(prefixes=("10.8.0.0/16",)), grants(prefixes=("10.8.0.0/16",)), Why.PREFIX_TAKEN),
        (grants(prefixes=("10.8.0.0/16",)), grants(prefixes=("10.8.3.0/24",)), Why.PREFIX_TAKEN),
        (grants(prefixes=("10.8.3.0/24", "10.8.9.0/24")), grants(prefixes=("10.0.0.0/8",)), Why.PREFIX_TAKEN),
        (grants(prefixes=("fd01::/64",)), grants(prefixes=("fd01::/48",)), Why.PREFIX_TAKEN),
    ],
)
def test_who_is_longer_in_the_network_keeps_what_it_has(older: object, newer: object, why: Why) -> None:
    first = certificate("first", since=OLD, grants=older)
    second = certificate("second", grants=newer)
    for order in ((first, second), (second, first)):
        trust = trusting(*order)
        assert names(trust) == ["first"]
        (aside,) = trust.set_aside(NOW)
        assert aside == (second, why, "first")


def test_a_name_is_one_members() -> None:
    first, second = certificate("laptop", since=OLD, serial=1), certificate("laptop", of="other", serial=2)
    for order in ((first, second), (second, first)):
        trust = trusting(*order)
        assert list(trust.members(NOW).values()) == [first]
        assert [(each.why, each.against) for each in trust.set_aside(NOW)] == [(Why.NAME_TAKEN, "laptop")]


def test_neighbours_are_no_clash() -> None:
    trust = trusting(
        certificate("a", grants=grants("10.7.0.1", prefixes=("10.8.0.0/24", "10.8.2.0/24"))),
        certificate("b", grants=grants("10.7.0.0", "10.7.0.2", prefixes=("10.8.1.0/24", "10.8.3.0/24"))),
        certificate("c", grants=grants("10.8.4.0", "a08::", prefixes=("a08:2::/32",))),
    )
    assert names(trust) == ["a", "b", "c"]


def test_a_member_may_have_addresses_inside_its_own_prefixes() -> None:
    own = grants("10.8.0.1", "10.8.9.9", prefixes=("10.8.0.0/24", "10.8.0.0/16", "10.9.0.0/16"))
    trust = trusting(certificate("hub", since=OLD, grants=own), certificate("b", grants=grants("10.8.77.1")))
    assert names(trust) == ["hub"]


def test_the_owners_word_goes_before_an_issuers() -> None:
    by_owner = certificate("a", grants=grants("10.7.0.1"))
    trust = trusting(issuer(since=OLD), certificate("b", ISSUER, since=OLD, grants=grants("10.7.0.1")), by_owner)
    assert names(trust) == ["a", "issuer"]


def test_an_issuer_cannot_date_back_beyond_its_own_beginning() -> None:
    other = identity_of("other-issuer")
    honest = certificate("a", ISSUER, since=OLD, grants=grants("10.7.0.1"))
    dated_back = certificate("b", other, since=1, grants=grants("10.7.0.1"))
    trust = trusting(issuer(since=OLD), issuer("other-issuer", since=NOW), honest, dated_back)
    assert names(trust) == ["a", "issuer", "other-issuer"]


def test_who_gave_way_gets_it_when_the_other_is_gone() -> None:
    first = certificate("first", since=OLD, not_after=NOW + 10, grants=grants("10.7.0.1"))
    trust = trusting(first, certificate("second", grants=grants("10.7.0.1")))
    assert names(trust, NOW + 10) == ["second"]
