"""Two nodes give each other their heads, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api.peer_protocol import PeerProtocolKind
from appliance.management.audit.head import Head, SignedHead, sign
from appliance.management.audit.keeping import NodeHeads, Taken
from appliance.protocol.identity import Identity
from appliance.runtime.audit.head_family import COPIES, EVERY, HeadFamily
from appliance.runtime.audit.part import FAMILY, LIMITS
from appliance.testing.peer_protocol import PeerProtocolPair

IDENTITIES = {name: Identity.from_seeds(bytes([number]) * 32, bytes([number + 1]) * 32) for number, name in ((1, "a"), (3, "b"))}


class Log:
    """What the family wants of its node."""

    def __init__(self, name: str) -> None:
        self.identity = IDENTITIES[name]
        self.own = self.identity.fingerprint
        self.head: SignedHead | None = None
        self.others: dict[str, NodeHeads] = {}
        self.grow(1)

    def grow(self, number: int) -> None:
        self.head = sign(Head("0b" * 16, number, bytes(32), number), self.identity)

    def identity_of(self, peer: str) -> str:
        return IDENTITIES[peer].fingerprint if peer in IDENTITIES else ""

    async def newest(self) -> SignedHead | None:
        return self.head

    def take(self, _peer: str, signed: SignedHead) -> Taken:
        return self.others.setdefault(signed.node, NodeHeads()).take(signed)

    def kept(self, node: str) -> NodeHeads:
        return self.others.get(node) or NodeHeads()

    def numbers(self, name: str) -> list[int]:
        return [each.head.number for each in self.kept(IDENTITIES[name].fingerprint).all]


def joined(logs: list[Log]) -> PeerProtocolPair:
    """Over TCP: a head is longer than one datagram of this network."""
    remaining = list(logs)  # the first to open is a
    kind = PeerProtocolKind(FAMILY, None, lambda _settings, services: HeadFamily(remaining.pop(0), services), LIMITS)
    return PeerProtocolPair(kind, {}, {}, nodes={"scheme": "tcp"})


@pytest.fixture
def logs() -> list[Log]:
    return [Log("a"), Log("b")]


async def test_each_keeps_the_others_heads_and_gives_them_back(logs: list[Log]) -> None:
    a, b = logs
    async with joined(logs) as pair:
        await pair.until(lambda: a.numbers("b") == [1] and b.numbers("a") == [1])
        for number in (5, 9):
            a.grow(number)
            await pair.pause(1.2 * EVERY)
        assert b.numbers("a") == [1, 5, 9]
        assert pair.b.counted == {"new": 3}, "what is told already is not told again"
        asked = await pair.run(pair.a.ask("b"))
        assert [each.head.number for each in asked] == [1, 9]
        assert not pair.failures


async def test_somebody_who_asks_for_ever_leaves_room_for_the_heads(logs: list[Log]) -> None:
    a, b = logs

    async def ask_for_ever() -> None:
        while not b.numbers("a"):
            await pair.a.ask("b")

    async with joined(logs) as pair:
        await pair.run(ask_for_ever())
        assert not pair.failures
    assert a.numbers("b") == [1]


async def test_a_peer_speaks_for_itself_only(logs: list[Log]) -> None:
    a, b = logs
    b.identity = IDENTITIES["a"]
    b.grow(7)
    async with joined(logs) as pair:
        await pair.until(lambda: pair.a.counted == {"foreign": 1})
        assert a.others == {}
        pair.b._services.send("a", "head", body=b"rubbish")
        await pair.until(lambda: pair.a.counted == {"foreign": 1, "invalid": 1})
        assert not pair.failures


async def test_without_a_head_nothing_is_said(logs: list[Log]) -> None:
    for log in logs:
        log.head = None
    async with joined(logs) as pair:
        await pair.pause(2 * EVERY)
        assert (pair.a.counted, await pair.run(pair.a.ask("b"))) == ({}, [])


def test_a_few_of_many_get_them_and_always_the_same() -> None:
    class Services:
        there: frozenset[str]

        def peers(self) -> frozenset[str]:
            return self.there

        def spawn(self, work: Any, _name: str) -> None:
            work.close()

    log, services = Log("a"), Services()
    log.identity_of = lambda peer: f"llp1:{peer}"  # type: ignore[method-assign]
    family = HeadFamily(log, services)  # type: ignore[arg-type]  # all that it asks
    services.there = frozenset(f"p{number}" for number in range(100)) | {"llp1:stranger"}
    chosen = family._chosen()
    assert (len(chosen), chosen) == (COPIES, family._chosen())
    services.there -= {chosen[0]}
    assert family._chosen()[:2] == chosen[1:]
