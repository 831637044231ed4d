"""Discoverers run, their finds kept in order, their failures theirs alone."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from appliance.api.discovery import BroughtPeer, Candidate, DiscoveryKind, DiscoveryServices
from appliance.api.profile import Profile, Section
from appliance.api.profile_values import Seconds
from appliance.api.values import Endpoint
from appliance.runtime.links.loops import Refuses, nothing_refused
from appliance.runtime.peers import discovery
from appliance.runtime.peers.discovery import Discovery, resolve
from appliance.runtime.peers.sources import Brought
from appliance.runtime.peers.table import PeerEntry, PeerTable, of_profile

NEAR, FAR = Endpoint("udp", "192.0.2.1", 1), Endpoint("udp", "192.0.2.2", 2)
Batches = Callable[[DiscoveryServices], AsyncIterator[Sequence[Candidate]]]


def profile(host: str = "192.0.2.9", **kinds: dict[str, str]) -> Profile:
    peer = {"name": "b", "identity": "llp1:" + "a" * 52, "endpoints": [f"udp://{host}:1"], "allowed": ["10.0.0.2"]}
    return Profile.model_validate({"profile": 1, "network": {"addresses": ["10.0.0.1/24"]}, "peers": [peer], "discovery": kinds})


class Script:
    """A discoverer of prepared batches."""

    def __init__(self, batches: Batches, services: DiscoveryServices) -> None:
        self._batches = batches
        self._services = services

    def candidates(self) -> AsyncIterator[Sequence[Candidate]]:
        return self._batches(self._services)


def kind(name: str, batches: Batches) -> dict[str, DiscoveryKind]:
    return {name: DiscoveryKind(name, None, lambda _settings, services: Script(batches, services))}


class Running(Discovery):
    """Discovery with a table of peers that changes with the profile."""

    def __init__(self, kinds: dict[str, DiscoveryKind], found: Found, refuses: Refuses = nothing_refused) -> None:
        self.table = PeerTable()
        super().__init__(kinds, found, self.table, refuses=refuses)

    def start(self, profile: Profile) -> None:
        self.table.use_profile(of_profile(profile.peers), ())
        super().start(profile)

    async def use(self, profile: Profile) -> None:
        if delta := self.table.use_profile(of_profile(profile.peers), ()):
            self.follow(delta)
        await super().use(profile)


class Found:
    """Keeps what was found, and tells when something was."""

    def __init__(self) -> None:
        self.lists: asyncio.Queue[tuple[str, list[Endpoint]]] = asyncio.Queue()

    def __call__(self, peer: str, endpoints: Sequence[Endpoint]) -> None:
        self.lists.put_nowait((peer, list(endpoints)))


async def forever(_services: DiscoveryServices) -> AsyncIterator[Sequence[Candidate]]:
    yield [Candidate("b", FAR, 2, 60), Candidate("b", NEAR, 1, 60), Candidate("stranger", NEAR, 1, 60)]
    yield [Candidate("b", NEAR, 1, 60)]
    yield [Candidate("b", NEAR, 3, 60)]
    await asyncio.Event().wait()


async def test_the_best_comes_first_and_only_changes_are_told() -> None:
    found = Found()
    running = Running(kind("lan", forever), found)
    running.start(profile(lan={}))
    assert await found.lists.get() == ("b", [NEAR, FAR])
    assert await found.lists.get() == ("b", [FAR, NEAR])
    assert [(place.kind, place.peer, place.endpoint) for place in running.found()] == [("lan", "b", FAR), ("lan", "b", NEAR)]
    await running.close()
    assert found.lists.empty()


async def test_one_that_fails_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "FIRST_PAUSE", 0.001)
    starts = []

    async def at_the_second(_services: DiscoveryServices) -> AsyncIterator[Sequence[Candidate]]:
        starts.append(1)
        if len(starts) == 1:
            raise OSError("no network")
        yield [Candidate("b", NEAR, 1, 60)]
        await asyncio.Event().wait()

    found = Found()
    running = Running(kind("lan", at_the_second), found)
    running.start(profile(lan={}))
    assert await found.lists.get() == ("b", [NEAR])
    await running.close()
    assert running.problems == {}


async def test_a_kind_nobody_offers_is_a_problem() -> None:
    running = Running({}, Found())
    running.start(profile(lan={}))
    assert "lan" in running.problems


async def test_names_are_looked_up_without_being_asked() -> None:
    running = Running(kind("bootstrap", forever), Found())
    running.start(profile())
    assert running.wanted == ()
    await running.use(profile("gateway.example"))
    assert running.wanted == ("bootstrap",)
    await running.close()


async def test_kinds_of_the_core_run_beside_what_the_profile_names() -> None:
    found = Found()
    running = Running(kind("bootstrap", forever), found)
    running.core |= kind("dht", forever)
    running.start(profile())
    assert running.wanted == ("dht",)
    assert await found.lists.get() == ("b", [NEAR, FAR])
    await running.use(profile("gateway.example"))
    assert running.wanted == ("bootstrap", "dht")
    assert {place.kind for place in running.found()} == {"dht"}
    await running.close()


async def test_a_discoverer_sees_its_settings_and_peers() -> None:
    class Settings(Section):
        refresh: Seconds

    seen: asyncio.Queue[object] = asyncio.Queue()

    async def look(services: DiscoveryServices) -> AsyncIterator[Sequence[Candidate]]:
        await services.sleep(0)
        assert 0 <= services.jitter() < 1
        services.report("nothing serious")
        assert await services.resolve("192.0.2.7", 1) == ["192.0.2.7"]
        seen.put_nowait(services.configured())
        yield []
        await asyncio.Event().wait()

    def opened(settings: Settings, services: DiscoveryServices) -> Script:
        seen.put_nowait(settings)
        return Script(look, services)

    running = Running({"lan": DiscoveryKind("lan", lambda: Settings, opened)}, Found())
    running.start(profile(lan={"refresh": "5s"}))
    assert await seen.get() == Settings(refresh=5)
    assert await seen.get() == [("b", (Endpoint("udp", "192.0.2.9", 1),))]
    await running.close()


async def test_an_unknown_name_is_an_os_error() -> None:
    with pytest.raises(socket.gaierror):
        await resolve("no-such-host.invalid", 1)


async def test_addresses_inside_the_tunnel_are_left_out_and_the_last_one_is_an_error() -> None:
    asked: list[tuple[list[str], str, str]] = []

    def refuses(hosts: Sequence[str], endpoint: str, peer: str) -> dict[str, str]:
        asked.append((list(hosts), endpoint, peer))
        return dict.fromkeys(hosts, "it goes round")

    running = Running({}, Found(), refuses=refuses)
    running.start(profile("localhost"))
    with pytest.raises(OSError, match="it goes round"):
        await running.resolve("localhost", 1)
    assert asked[0][1:] == ("udp://localhost:1", "b")
    await running.close()


async def test_what_is_taken_back_is_forgotten_at_once_and_the_profiles_own_endpoints_are_left() -> None:
    async def takes_back(_services: DiscoveryServices) -> AsyncIterator[Sequence[Candidate]]:
        yield [Candidate("b", NEAR, 1, 60), Candidate("b", FAR, 2, 60)]
        yield [Candidate("b", NEAR, 1, 0)]
        yield [Candidate("b", FAR, 1, 0), Candidate("b", FAR, 1, 0)]
        await asyncio.Event().wait()

    found = Found()
    running = Running(kind("lan", takes_back), found)
    running.start(profile(lan={}))
    assert await found.lists.get() == ("b", [NEAR, FAR])
    assert await found.lists.get() == ("b", [FAR])
    assert await found.lists.get() == ("b", [Endpoint("udp", "192.0.2.9", 1)])
    await running.close()


async def test_a_kind_that_goes_takes_its_finds_along_and_the_others_stay() -> None:
    async def near(_services: DiscoveryServices) -> AsyncIterator[Sequence[Candidate]]:
        yield [Candidate("b", NEAR, 1, 60)]
        await asyncio.Event().wait()

    async def far(_services: DiscoveryServices) -> AsyncIterator[Sequence[Candidate]]:
        await asyncio.sleep(0.01)
        yield [Candidate("b", FAR, 2, 60), Candidate("b", NEAR, 5, 0)]
        await asyncio.Event().wait()

    found = Found()
    running = Running(kind("near", near) | kind("far", far), found)
    running.start(profile(near={}, far={}))
    assert await found.lists.get() == ("b", [NEAR])
    assert await found.lists.get() == ("b", [NEAR, FAR]), "nobody takes back what another one found"
    await running.use(profile(far={}))
    assert await found.lists.get() == ("b", [FAR])
    await running.close()


async def test_a_discoverer_that_watches_is_told_of_changes_and_goes_on() -> None:
    seen: asyncio.Queue[object] = asyncio.Queue()
    starts = []

    async def watches(services: DiscoveryServices) -> AsyncIterator[Sequence[Candidate]]:
        starts.append(1)
        while True:
            seen.put_nowait([str(endpoint) for _, endpoints in services.configured() for endpoint in endpoints])
            yield []
            assert await services.changed()

    running = Running(kind("lan", watches), Found())
    running.start(profile(lan={}))
    assert await seen.get() == ["udp://192.0.2.9:1"]
    await asyncio.sleep(0.01)
    await running.use(profile("192.0.2.77", lan={}))
    assert await seen.get() == ["udp://192.0.2.77:1"]
    await running.use(profile("192.0.2.77", lan={}))
    assert len(starts) == 1
    await running.close()


async def test_a_change_that_came_before_the_question_is_not_lost() -> None:
    asked: asyncio.Queue[bool] = asyncio.Queue()
    looked, ready = asyncio.Event(), asyncio.Event()

    async def slow(services: DiscoveryServices) -> AsyncIterator[Sequence[Candidate]]:
        assert not await services.changed(within=0)
        services.configured()
        looked.set()
        yield []
        await ready.wait()
        asked.put_nowait(await services.changed())
        services.configured()
        asked.put_nowait(await services.changed(within=0.001))
        await asyncio.Event().wait()

    running = Running(kind("lan", slow), Found())
    running.start(profile(lan={}))
    await looked.wait()
    await running.use(profile("192.0.2.77", lan={}))
    ready.set()
    assert await asked.get()
    assert not await asked.get()
    await running.close()


async def test_a_discoverer_that_does_not_watch_is_started_anew_when_peers_change() -> None:
    seen: asyncio.Queue[object] = asyncio.Queue()

    async def looks_once(services: DiscoveryServices) -> AsyncIterator[Sequence[Candidate]]:
        seen.put_nowait(services.configured())
        yield []
        await asyncio.Event().wait()

    running = Running(kind("lan", looks_once), Found())
    running.start(profile(lan={}))
    await seen.get()
    await running.use(profile(lan={}))
    assert seen.empty(), "nothing changed"
    await running.use(profile("192.0.2.77", lan={}))
    assert await seen.get() == [("b", (Endpoint("udp", "192.0.2.77", 1),))]
    await running.close()


async def test_a_member_is_seen_by_who_watches_and_by_who_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "ANEW_SECONDS", 0.001)
    seen: asyncio.Queue[object] = asyncio.Queue()

    async def looks_once(services: DiscoveryServices) -> AsyncIterator[Sequence[Candidate]]:
        seen.put_nowait([name for name, _ in services.configured()])
        yield [Candidate("m", NEAR, 1, 60)]
        await asyncio.Event().wait()

    found = Found()
    running = Running(kind("lan", looks_once), found)
    running.start(profile(lan={}))
    assert await seen.get() == ["b"]
    member = PeerEntry("m", "llp1:" + "m" * 51 + "a")
    for _ in range(2):
        running.follow(running.table.add(member))
        assert await seen.get() == ["b", "m"]
        assert await found.lists.get() == ("m", [NEAR])
        running.follow(running.table.drop("m"))
        assert await seen.get() == ["b"]
    await running.close()


class Source:
    """Brings peers, and perhaps candidates."""

    def __init__(self, lists: asyncio.Queue[list[BroughtPeer]]) -> None:
        self._lists = lists

    async def peers(self) -> AsyncIterator[Sequence[BroughtPeer]]:
        while True:
            yield await self._lists.get()


class Keeper(Brought):
    """Notes what was brought."""

    def __init__(self) -> None:
        self.notes: asyncio.Queue[tuple[str, list[str]]] = asyncio.Queue()

    async def take(self, kind: str, peers: Sequence[BroughtPeer]) -> None:
        self.notes.put_nowait((kind, [peer.name for peer in peers]))

    async def drop(self, kind: str) -> None:
        self.notes.put_nowait((kind, ["gone"]))


BROUGHT = BroughtPeer("x", "llp1:" + "a" * 52, (ipaddress.ip_network("10.9.1.0/24"),))


async def test_a_discoverer_may_bring_peers_and_nothing_else() -> None:
    lists: asyncio.Queue[list[BroughtPeer]] = asyncio.Queue()
    starts = []

    def opened(_settings: None, services: DiscoveryServices) -> Source:
        starts.append(1)
        return Source(lists)

    running = Running({"mesh": DiscoveryKind("mesh", None, opened)}, Found())
    running.brought = keeper = Keeper()
    running.start(profile(mesh={}))
    lists.put_nowait([BROUGHT])
    assert await keeper.notes.get() == ("mesh", ["x"])
    await running.use(profile("192.0.2.77", mesh={}))
    lists.put_nowait([])
    assert await keeper.notes.get() == ("mesh", [])
    assert len(starts) == 1, "it has nothing to do with the peers that there are"
    await running.use(profile("192.0.2.77"))
    assert await keeper.notes.get() == ("mesh", ["gone"])
    await running.close()


async def test_one_that_brings_and_looks_does_both_and_fails_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "FIRST_PAUSE", 0.001)
    lists: asyncio.Queue[list[BroughtPeer]] = asyncio.Queue()
    fails = asyncio.Event()

    class Both(Source):
        async def candidates(self) -> AsyncIterator[Sequence[Candidate]]:
            yield [Candidate("b", NEAR, 1, 60)]
            await fails.wait()
            fails.clear()
            raise SystemExit(3)

    found = Found()
    running = Running({"mesh": DiscoveryKind("mesh", None, lambda _settings, _services: Both(lists))}, found)
    running.brought = keeper = Keeper()
    running.start(profile(mesh={}))
    assert await found.lists.get() == ("b", [NEAR])
    lists.put_nowait([BROUGHT])
    assert await keeper.notes.get() == ("mesh", ["x"])
    fails.set()
    await asyncio.sleep(0.05)
    lists.put_nowait([])
    assert await keeper.notes.get() == ("mesh", []), "it was started again"
    await running.close()


@pytest.mark.parametrize("given", [["x"], [Candidate("b", NEAR, 1, 60)], 7])
async def test_what_is_no_list_of_peers_is_the_plugins_fault(given: object) -> None:
    lists: asyncio.Queue[object] = asyncio.Queue()
    running = Running({"mesh": DiscoveryKind("mesh", None, lambda _settings, _services: Source(lists))}, Found())  # type: ignore[arg-type]
    running.brought = keeper = Keeper()
    running.start(profile(mesh={}))
    lists.put_nowait(given)
    while not running.problems:  # noqa: ASYNC110  it calls nobody
        await asyncio.sleep(0)
    assert keeper.notes.empty()
    await running.close()


async def test_what_is_neither_is_the_plugins_fault() -> None:
    running = Running({"mesh": DiscoveryKind("mesh", None, lambda _settings, _services: object())}, Found())  # type: ignore[arg-type, return-value]
    running.start(profile(mesh={}))
    while not running.problems:  # noqa: ASYNC110  it calls nobody
        await asyncio.sleep(0)
    assert "neither candidates nor peers" in running.problems["mesh"]
    await running.close()
