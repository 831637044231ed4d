"""Whatever comes to whom in whatever order: nodes that tell each other what they know come to the same members."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.members.revocation import fraud_of
from appliance.members.statement import StatementRefused
from appliance.members.trust import Trust
from appliance.testing.pair import identity_of
from tests.unit.members.signed import DAY, NETWORK, NOW, WIDE, certificate, grants, issuer, revocation

ONE, TWO = identity_of("one"), identity_of("two")


def _pool() -> list[Any]:
    laptop = certificate("laptop", ONE, serial=1, grants=grants("10.7.0.1"))
    phone = certificate("phone", ONE, serial=2, grants=grants("10.7.0.2"))
    twin = certificate("twin", TWO, serial=5, grants=grants("10.7.0.2"))
    other_twin = certificate("other-twin", TWO, serial=5)
    removal = revocation("laptop", by=ONE, serial=3)
    return [
        issuer("one", serial=100),
        issuer("two", serial=101, since=NOW - 50),
        issuer("one", serial=102, since=NOW, not_before=NOW + 5, scope=WIDE.__class__(30 * DAY, WIDE.addresses)),
        laptop,
        phone,
        removal,
        twin,
        other_twin,
        fraud_of(twin.encoded, other_twin.encoded),
        certificate("laptop", TWO, serial=6, since=NOW - 20, grants=grants("10.7.0.1")),
        certificate("phone", TWO, of="thief", serial=7, grants=grants(tags=("desk",))),
        certificate("server", serial=103, grants=grants(prefixes=("10.7.0.0/24",))),
        certificate("server", serial=104, since=NOW, not_before=NOW + 10, grants=grants(prefixes=("10.7.0.0/30",))),
        certificate("renamed", of="server", serial=105, not_before=NOW + 20),
        certificate("late", ONE, serial=8, since=1, not_after=NOW + DAY, grants=grants("10.7.9.9")),
        certificate("early", serial=106, not_after=NOW + 2 * DAY, grants=grants("10.7.9.9")),
        revocation("server", serial=107),
        certificate("server", serial=108, epoch=1, grants=grants("10.7.9.1")),
        revocation("one", serial=109, keeps=[phone.digest, removal.digest]),
        revocation("one", serial=110, keeps=[laptop.digest], at=NOW + 1),
        revocation("phone", "laptop", by=TWO, serial=9),
        certificate("lap", TWO, of="laptop", serial=20, since=NOW - 30),
        certificate("top", TWO, of="laptop", serial=21, epoch=1),
        certificate("top", of="laptop", serial=120, epoch=5, not_after=NOW + 3 * DAY),
        certificate("two", serial=121, since=NOW - 50, not_before=NOW + 30),
        revocation("laptop", serial=122, epoch=3),
    ]


POOL = _pool()


def hear(trust: Trust, statements: list[Any]) -> None:
    """All of them, until they tell nothing new: what had to be refused for now is said again."""
    before = -1
    while before != trust.changes:
        before = trust.changes
        for each in statements:
            with suppress(StatementRefused):
                trust.take(each.encoded, NOW)


def seen(trust: Trust) -> object:
    """What it tells, and the members now and later, by their places in the pool."""
    place = {each.digest: number for number, each in enumerate(POOL)}
    told = sorted(place.get(each.digest, -1) for each in trust.statements())
    times = (NOW, NOW + DAY, NOW + 2 * DAY, NOW + 29 * DAY)
    return told, [sorted(place[each.digest] for each in trust.members(now).values()) for now in times]


PLACES = range(len(POOL))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_nodes_that_tell_each_other_what_they_know_agree(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(PLACES), unique=True))
    first, second, late = Trust(NETWORK), Trust(NETWORK), Trust(NETWORK)
    for trust in (first, second):
        for place in data.draw(st.permutations(chosen)):
            with suppress(StatementRefused):
                trust.take(POOL[place].encoded, NOW)
    everything = data.draw(st.permutations(chosen))
    for trust in (first, second, late):
        hear(trust, [POOL[place] for place in everything])
    for teller, listener in ((second, first), (first, second), (first, late)):
        hear(listener, list(teller.statements()))
    assert seen(first) == seen(second) == seen(late)


@settings(max_examples=50, deadline=None)
@given(st.permutations(PLACES))
def test_what_is_told_can_be_taken_in_that_order(order: list[int]) -> None:
    trust, newcomer = Trust(NETWORK), Trust(NETWORK)
    hear(trust, [POOL[place] for place in order])
    for each in trust.statements():
        newcomer.take(each.encoded, NOW)
    assert not newcomer.refused
    assert seen(newcomer) == seen(trust)
