"""What a node offers and what it knows of others' offers, without nodes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from rigs.village import Board, Reader

from appliance.foundation import clock
from appliance.members.network import identity_text
from appliance.members.offer import Health, Offer, OfferRefused, service_of
from appliance.members.own_row import ROW_SECONDS
from appliance.members.row import MOST_SERVICES, Row, Service
from appliance.protocol.digests import sha256
from appliance.runtime.streams.errors import NotServedHere
from appliance.runtime.streams.offers import CALM_SECONDS, MOST_URGENT, Known, Offers
from appliance.runtime.streams.served import Served

OWN, OTHER, STRANGER = (sha256(name) for name in (b"own", b"other", b"stranger"))
ADA = 1000


class Node:
    """One node's offers, and a board with the rows of all."""

    def __init__(self) -> None:
        self.board = Board()
        self.roster = Reader(self.board, OWN)
        self.served = {name: Served(name, ADA) for name in ("db", "web")}
        known = {identity_text(OTHER): Known("other", connected=True, rtt_ms=1.5)}
        self.offers = Offers(self.roster, self.served, known.get, lambda: "own", identity_text(OWN))

    def row(self) -> tuple[Service, ...]:
        row = self.board.rows.get(OWN)
        return () if row is None else row.services

    def others(self, *services: Service, member: bytes = OTHER, **more: Any) -> None:
        """A member's row."""
        self.board.put(Row(bytes(32), member, 1, 0, services=services, **more))


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [1000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: time[0])
    return time


async def test_what_is_offered_is_in_the_row_until_it_ends() -> None:
    node = Node()
    node.offers.offer(Offer("db", load=40), ADA)
    assert node.row() == (service_of(Offer("db", load=40)),)
    [found] = node.offers.found("db")
    assert (found["node"], found["own"], found["load"]) == ("own", True, 40)
    node.offers.ended("db")
    assert node.row() == ()
    node.offers.close()


async def test_only_who_serves_may_offer() -> None:
    node = Node()
    for offer, uid in ((Offer("db"), ADA + 1), (Offer("mail"), ADA), (Offer("mail"), 0)):
        with pytest.raises(NotServedHere):
            node.offers.offer(offer, uid)
    node.offers.offer(Offer("db"), 0)
    assert node.row()
    node.offers.close()


async def test_too_many_and_too_long_ones_are_refused_and_what_was_there_stays() -> None:
    node = Node()
    for number in range(MOST_SERVICES + 1):
        node.served[f"s{number}"] = Served(f"s{number}", ADA)
    for number in range(MOST_SERVICES):
        node.offers.offer(Offer(f"s{number}"), ADA)
    with pytest.raises(OfferRefused, match="already"):
        node.offers.offer(Offer(f"s{MOST_SERVICES}"), ADA)
    with pytest.raises(OfferRefused, match="does not fit"):
        node.offers.offer(Offer("s0", metadata={"a": "x" * 300}), ADA)
    assert len(node.row()) == MOST_SERVICES
    node.offers.close()


async def test_loads_alone_are_written_seldom(now: list[float]) -> None:
    node = Node()
    node.offers.offer(Offer("db"), ADA)
    now[0] += 1
    for load in range(0, 100, 10):
        node.offers.offer(Offer("db", load=load), ADA)
    assert node.roster.written == 1
    now[0] += CALM_SECONDS
    node.offers.offer(Offer("db", load=70), ADA)
    assert node.row() == (service_of(Offer("db", load=70)),)
    node.offers.close()


async def test_a_service_that_flaps_costs_few_rows(now: list[float]) -> None:
    node, rows = Node(), [float("-inf")]
    for number in range(600):
        looks = node.roster.written
        node.offers.offer(Offer("db", Health.FAILING if number % 2 else Health.PASSING), ADA)
        if node.roster.written > looks and now[0] - rows[-1] >= ROW_SECONDS:
            rows.append(now[0])
        now[0] += 0.1
    assert len(rows) <= 2 * MOST_URGENT + 60 / CALM_SECONDS
    node.offers.close()


async def test_of_others_is_told_what_their_rows_say() -> None:
    node = Node()
    node.others(service_of(Offer("db", Health.FAILING, 20, {"a": "b"})), Service("db", "not an offer"), Service("BAD NAME", ""))
    node.others(Service("db", ""), member=STRANGER)
    [found] = node.offers.found()
    assert found == {
        "service": "db",
        "node": "other",
        "identity": identity_text(OTHER),
        "health": "failing",
        "load": 20,
        "metadata": {"a": "b"},
        "standing": "alive",
        "connected": True,
        "rtt_ms": 1.5,
        "own": False,
    }
    assert node.offers.found("web") == []
    node.others(Service("db", ""), leaving=True)
    assert node.offers.found() == [], "a member that left offers nothing"
    node.offers.close()


async def test_followers_hear_each_state_that_lasts() -> None:
    node = Node()
    async with asyncio.timeout(60):
        following = node.offers.follow("db")
        assert await anext(following) == []
        node.others(Service("db", ""))
        assert [each["node"] for each in await anext(following)] == ["other"]
        node.others(Service("db", ""), Service("web", ""))
        node.others(Service("web", ""))
        assert await anext(following) == []
        await following.aclose()
    node.offers.close()
