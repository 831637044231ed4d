"""Nodes that know each other's identity and nothing else find each other through a libp2p network of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from appliance.api.discovery import Candidate
from appliance.api.values import Endpoint
from appliance.testing.discovery import FakeDiscoveryServices
from appliance_discovery_libp2p import clock, discoverer, place
from appliance_discovery_libp2p.discoverer import Libp2p
from appliance_discovery_libp2p.settings import Libp2pSettings
from tests.rigs.libp2p.nodes import PATIENCE, Node, nodes, until

NETWORK = "/llp/kad/1.0.0"
HERE = "udp://198.51.100.7:8443"


class Quick(FakeDiscoveryServices):
    """Its clock runs a hundred times as fast as the wall's, beside real sockets."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 100)


class Found:
    """A discoverer that runs, and what it gave so far."""

    def __init__(self, looks: Libp2p, services: Quick) -> None:
        self.looks, self.services = looks, services
        self.given: asyncio.Queue[Sequence[Candidate]] = asyncio.Queue()

    @property
    def running(self) -> Any:
        return self.looks._running

    def soon(self) -> None:
        self.running.looking.soon()

    async def read(self) -> None:
        async for batch in self.looks.candidates():
            self.given.put_nowait(batch)

    async def next(self) -> list[tuple[str, str, bool]]:
        async with asyncio.timeout(PATIENCE):
            return [(one.peer, str(one.endpoint), one.ttl > 0) for one in await self.given.get()]


def identity(letter: str) -> str:
    return "llp1:" + letter * 52


@asynccontextmanager
async def node(own: str, knows: str, through: Sequence[Node], **settings: Any) -> AsyncIterator[Found]:
    """The node with the identity `own`, which has the peers `knows` (a letter each)."""
    services = Quick(dict.fromkeys(knows, ()))
    services.identity, services.known = identity(own), {letter: identity(letter) for letter in knows}
    said = {"bootstrap": [str(one.at) for one in through], **settings}
    found = Found(Libp2p(services, Libp2pSettings.model_validate(said), clock.wall), services)
    reading = asyncio.create_task(found.read())
    try:
        yield found
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await services.close()
        assert services.failures == []


@pytest.fixture
async def network() -> AsyncIterator[list[Node]]:
    """Three peers of libp2p that have nothing to do with either node."""
    async with nodes(3, NETWORK) as made:
        await made[0].meet(made[1])
        await made[1].meet(made[2])
        yield made


async def test_a_node_is_found_by_its_identity(network: list[Node]) -> None:
    async with node("a", "b", network[:1], endpoints=[HERE]), node("b", "a", network[2:]) as seeker:
        assert await seeker.next() == [("a", HERE, True)]
        assert seeker.looks.stats()["found"] == 1
        assert not any(word in str(seeker.looks.stats()) for word in ("198.51.100.7", identity("a")))


async def test_a_node_that_listens_is_asked_itself_and_where_it_moved_is_found(network: list[Node]) -> None:
    listens = {"listen": ["/ip4/127.0.0.1/tcp/0"]}
    async with node("a", "b", network[:1], **listens) as moving, node("b", "a", network[2:]) as seeker:
        moving.services.listens = (Endpoint("udp", "198.51.100.7", 8443),)
        assert await seeker.next() == [("a", HERE, True)]
        moving.services.listens = (Endpoint("udp", "203.0.113.9", 8443),)
        seeker.soon()
        while (told := await seeker.next()) == [("a", HERE, True)]:
            seeker.soon()
        assert told == [("a", HERE, False), ("a", "udp://203.0.113.9:8443", True)]


async def test_a_node_that_moves_is_followed_at_once_by_who_hears_its_topic(network: list[Node]) -> None:
    listens = {"listen": ["/ip4/127.0.0.1/tcp/0"]}
    async with node("a", "b", network[:1], **listens) as moving, node("b", "a", network[2:]) as seeker:
        moving.services.listens = (Endpoint("udp", "198.51.100.7", 8443),)
        await until(lambda: moving.running and moving.running.host.announced)
        assert await seeker.next() == [("a", HERE, True)]
        host = moving.running.host  # the seeker asked it itself, and both want its topic: so they stay connected
        await until(lambda: moving.running.pubsub.mesh(place.topic(identity("a"))))
        assert seeker.running.pubsub._router.shares(host.own.peer)
        seeker.running.looking.look = lambda tick: None  # nothing but the topic from now on
        moving.services.listens = (Endpoint("udp", "203.0.113.9", 8443),)
        while (told := await seeker.next()) == [("a", HERE, True)]:
            pass
        assert told == [("a", HERE, False), ("a", "udp://203.0.113.9:8443", True)]


async def test_a_peer_that_goes_is_taken_back(network: list[Node]) -> None:
    async with node("a", "b", network[:1], endpoints=[HERE]), node("b", "a", network[:1]) as seeker:
        await seeker.next()
        seeker.services.known.clear()
        assert await seeker.next() == [("a", HERE, False)]


async def test_a_liar_who_says_to_be_somebody_adds_an_attempt_and_hides_nobody(network: list[Node]) -> None:
    liar = network[1]
    lie = place.made(liar.host.own, identity("a"), [Endpoint("udp", "203.0.113.66", 1)], clock.wall() + 500, bytes(32))
    await liar.kad.put_value(lie)
    await liar.kad.provide(place.provided(identity("a")))
    async with node("a", "b", network[:1], endpoints=[HERE]), node("b", "a", network[2:]) as seeker:
        seen = set()
        while ("a", HERE, True) not in seen:
            seen |= set(await seeker.next())
            seeker.soon()
        assert seen <= {("a", HERE, True), ("a", "udp://203.0.113.66:1", True), ("a", "udp://203.0.113.66:1", False)}


async def test_nonsense_under_a_peers_key_is_counted(network: list[Node]) -> None:
    liar = network[1]
    await liar.kad.provide(place.provided(identity("a")))
    lie = place.made(liar.host.own, identity("x"), [], clock.wall(), bytes(32))
    for one in network:
        one.kad.store._judge = lambda record, now: place.Judged(now, now + 1000)
        one.kad.store.put(lie._replace(key=place.key(identity("a"), liar.peer)), clock.wall())
    async with node("b", "a", network[:1]) as seeker:
        await until(lambda: seeker.looks.stats().get("signature"))
        assert seeker.looks.stats()["found"] == 0


async def test_without_announce_nothing_is_said(network: list[Node]) -> None:
    async with node("a", "b", network[:1], endpoints=[HERE], announce=False) as quiet:
        await until(lambda: quiet.running and quiet.running.tick > 20)
        assert all(one.kad.store.values == one.kad.store.provided == 0 for one in network)


async def test_the_key_is_kept_and_is_not_the_nodes_identity() -> None:
    services = Quick({})
    first, second = (discoverer.own_key(services, services.report) for _ in range(2))
    assert first.peer == second.peer
    services.storage.write(discoverer.KEY, b"cut off")
    assert discoverer.own_key(services, services.report).peer != first.peer


async def test_a_place_that_is_taken_stays_reported_when_the_network_answers(network: list[Node]) -> None:
    taken = f"/ip4/127.0.0.1/tcp/{network[0].at.port}"
    async with node("a", "", network[:1], listen=[taken], endpoints=[HERE]) as one:
        await until(lambda: one.running and one.running.kad.store.values)  # it has joined, and says where it is
        assert f"cannot listen at {taken}" in one.services.reported[-1]


async def test_trouble_is_reported_and_is_over_when_it_is_over(network: list[Node]) -> None:
    away = str(network[0].at._replace(port=1))
    taken = f"/ip4/127.0.0.1/tcp/{network[0].at.port}"
    async with node("a", "", [], bootstrap=[away, "/dns/nowhere.example/tcp/1"], listen=[taken]) as lost:
        await until(lambda: any("no bootstrap peer" in problem for problem in lost.services.reported))
        assert any(f"cannot listen at {taken}" in problem for problem in lost.services.reported)
        assert lost.looks.stats()["connected"] == 0


def test_one_that_does_not_run_says_so() -> None:
    assert Libp2p(Quick({}), Libp2pSettings(), clock.wall).stats() == {"running": False}
