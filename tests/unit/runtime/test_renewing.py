"""A member's certificate is renewed over a session, in virtual time: no person, no clock.

Sessions go over a stream: simulated hosts do not cut records into datagrams, and certificates are long."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from pydantic import BaseModel

from appliance.api.peer_protocol import PeerProtocolKind, PeerProtocolServices
from appliance.errors import ApplianceError
from appliance.members.certificate import Certificate
from appliance.members.statement import StatementRefused
from appliance.members.trust import Taken, Trust
from appliance.protocol.identity import Identity
from appliance.runtime.members.renewing import FAMILY, LIMITS, LOOK_EVERY, Renewing
from appliance.runtime.members.wanted import WantedSessions
from appliance.testing.pair import identity_of
from appliance.testing.peer_protocol import PeerProtocolPair
from tests.unit.members.signed import DAY, NOW, OWNER, certificate, grants, identity, issuer, trusting

LATE = NOW + 21 * DAY


class Known:
    """What one node knows: `renewing.Circle` over a real `Trust`, without a table of peers."""

    def __init__(self, own: str, trust: Trust, *keys: Identity, broken: bool = False) -> None:
        self.own = identity(own)
        self.trust = trust
        self.kept: dict[str, bool] = {}
        self.wanted = WantedSessions(self.kept.__setitem__)
        self._keys = keys
        self._broken = broken

    def now(self) -> int:
        return LATE

    def order(self, identities: Iterable[str]) -> list[str]:
        return list(identities)

    def keys(self) -> Iterable[Identity]:
        if self._broken:
            raise ApplianceError("the owner's key is damaged")
        return self._keys

    def take(self, statement: bytes, source: str | None = None) -> Taken:
        return self.trust.take(statement, LATE)

    def take_all(self, statements: Iterable[bytes], source: str | None = None) -> int:
        for each in statements:
            with suppress(StatementRefused):
                self.take(each, source)
        return 0

    def member(self, peer: str) -> Certificate | None:
        return self.trust.members(LATE).get(identity(peer))

    @property
    def until(self) -> int:
        return max(each.not_after for each in self.trust.certificates(self.own))


class Which(BaseModel):
    node: str


def pair(a: Known, b: Known) -> PeerProtocolPair:
    nodes = {"a": a, "b": b}

    def opened(settings: Which, services: PeerProtocolServices) -> Renewing:
        known = nodes[settings.node]
        return Renewing(known, known.keys, services)

    return PeerProtocolPair(
        PeerProtocolKind(FAMILY, lambda: Which, opened, LIMITS), {"node": "a"}, {"node": "b"}, nodes={"scheme": "tcp"}
    )


A = certificate("a", grants=grants("10.7.0.1"))
B = certificate("b", not_after=NOW + 300 * DAY, grants=grants("10.7.0.2"))
B_IS_ISSUER = issuer("b", not_after=NOW + 300 * DAY)


async def test_whoever_has_the_owners_key_renews() -> None:
    a, b = Known("a", trusting(A, B)), Known("b", trusting(A, B), OWNER)
    async with pair(a, b) as nodes:
        await nodes.until(lambda: a.until == LATE + 30 * DAY)
        assert b.until == B.not_after
        assert not nodes.failures


async def test_an_issuer_renews_and_brings_its_own_certificate() -> None:
    a, b = Known("a", trusting(A, B_IS_ISSUER)), Known("b", trusting(A, B_IS_ISSUER), identity_of("b"))
    async with pair(a, b) as nodes:
        await nodes.until(lambda: a.until == LATE + 30 * DAY)
        assert a.trust.certificates(a.own)[-1].issuer == identity("b")


async def test_a_node_with_the_key_renews_its_own() -> None:
    a, b = Known("a", trusting(A, B), identity_of("a"), OWNER), Known("b", trusting(A, B))
    async with pair(a, b) as nodes:
        await nodes.until(lambda: a.until == LATE + 30 * DAY)


async def test_if_nobody_there_may_help_issuers_are_wanted_and_released_when_one_did() -> None:
    away = certificate("issuer", scope=B_IS_ISSUER.scope, not_after=NOW + 300 * DAY)
    a, b = Known("a", trusting(A, B, away)), Known("b", trusting(A, B, away))
    async with pair(a, b) as nodes:
        await nodes.until(lambda: a.kept == {identity("issuer"): True})
        b._keys = (identity_of("issuer"),)  # the issuer answers in b's place
        nodes.a._wanted.add(identity("b"))
        nodes.a.on_connected("b")
        await nodes.until(lambda: a.until == LATE + 30 * DAY)
        await nodes.until(lambda: not any(a.kept.values()))


async def test_what_is_not_due_is_not_asked_for() -> None:
    new = certificate("a", not_before=LATE, not_after=LATE + 30 * DAY)
    a, b = Known("a", trusting(new, now=LATE)), Known("b", trusting(new, now=LATE), OWNER)
    async with pair(a, b) as nodes:
        await nodes.pause(3 * LOOK_EVERY)
        assert nodes.nodes["b"].figures.get("received", 0) == 0
        assert a.until == LATE + 30 * DAY


async def test_who_is_no_member_gets_nothing() -> None:
    a, b = Known("a", trusting(A, B)), Known("b", trusting(B), OWNER)
    async with pair(a, b) as nodes:
        await nodes.pause(3 * LOOK_EVERY)
        assert a.until == A.not_after
        assert not nodes.failures


async def test_a_key_that_cannot_be_read_renews_nothing_and_breaks_nothing() -> None:
    a, b = Known("a", trusting(A, B)), Known("b", trusting(A, B), broken=True)
    async with pair(a, b) as nodes:
        await nodes.pause(3 * LOOK_EVERY)
        assert a.until == A.not_after
        assert not nodes.failures
