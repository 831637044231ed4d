"""Routes asked, judged and handed on."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from appliance.api.profile import Profile
from appliance.api.routing import Route, RoutingView
from appliance.api.values import Network
from appliance.runtime.peers.forwarding import Forwarding
from appliance.runtime.peers.router import OpenRouter
from appliance.runtime.peers.table import PeerEntry, of_profile
from tests.rigs.tables import Tables, table_of

net = ipaddress.ip_network
ALLOWED = {"a": (net("10.1.0.0/16"), net("fd00::/64")), "b": (net("10.2.0.0/16"), net("10.1.2.0/24"))}
EVERYTHING = {prefix: peer for peer, prefixes in ALLOWED.items() for prefix in prefixes}
IDENTITY = "llp1:" + "a" * 52
LETTERS = str.maketrans("0123456789", "abcdefghij")


def profile(allowed: Mapping[str, Iterable[Network]] = ALLOWED, *, forward: bool = False) -> Profile:
    peers = [{"name": name, "identity": IDENTITY, "allowed": [str(p) for p in prefixes]} for name, prefixes in allowed.items()]
    network = {"addresses": ["10.0.0.1/8"], "forward": forward}
    return Profile.model_validate({"profile": 1, "network": network, "peers": peers})


class Whole:
    """Every allowed prefix, all at once; raises when told to, and looks at the sessions when told to."""

    def __init__(self) -> None:
        self.broken = self.looks = False
        self.asked = 0
        self.again: asyncio.Queue[int] = asyncio.Queue()

    def routes(self, view: RoutingView) -> Iterable[Route]:
        self.asked += 1
        if self.asked > 1:
            self.again.put_nowait(self.asked)
        if self.looks:
            view.connected()
        if self.broken:
            raise RuntimeError("no routes today")
        return [Route(prefix, peer) for peer, prefixes in view.allowed() for prefix in prefixes]


class Peerwise(Whole):
    """The same, peer by peer."""

    def __init__(self) -> None:
        super().__init__()
        self.about: list[str] = []

    def routes_to(self, peer: str, allowed: tuple[Network, ...]) -> Iterable[Route]:
        self.about.append(peer)
        if self.broken:
            raise RuntimeError("not that one")
        return [Route(prefix, peer) for prefix in allowed]


class Rig:
    """Forwarding with a worker that has begun."""

    def __init__(self, router: Whole, made: Profile | None = None) -> None:
        made = made or profile()
        self.table, self.worker = table_of(made), Tables()
        self.current: Tables | None = None
        self.forwarding = Forwarding(OpenRouter(router), made, self.table, frozenset, lambda: self.current)
        self.start(self.worker)

    def start(self, worker: Tables) -> None:
        self.forwarding.introduce(worker)
        self.forwarding.begin(worker)
        self.current = worker

    def reload(self, made: Profile, router: Whole | None = None) -> None:
        self.forwarding.use(made, None if router is None else OpenRouter(router))
        delta = self.table.use_profile(of_profile(made.peers), [address.ip for address in made.network.addresses])
        self.forwarding.follow(delta)
        self.forwarding.part(delta)

    def follow(self, delta: Any) -> None:
        self.forwarding.follow(delta, at_once=False)
        self.forwarding.part(delta)


def member(name: str, *allowed: str, rate: int = 0) -> PeerEntry:
    return PeerEntry(name, f"llp1:{name.translate(LETTERS):z<51}a", allowed=tuple(map(net, allowed)), rate=rate)


def test_a_new_worker_hears_all_of_it_and_last_where_packets_go() -> None:
    rig = Rig(Whole(), profile(forward=True))
    assert [word for word, _ in rig.worker.heard()] == ["put_peers", "set_addresses", "change_routes", "set_overlay"]
    assert rig.worker.routes == EVERYTHING
    assert rig.worker.peers == {name: list(prefixes) for name, prefixes in ALLOWED.items()}
    assert (rig.worker.own, rig.worker.hub) == (["10.0.0.1/8"], True)
    second = Tables()
    rig.start(second)
    assert (second.routes, second.peers, second.own) == (rig.worker.routes, rig.worker.peers, rig.worker.own)


def test_only_changes_travel() -> None:
    rig = Rig(Whole())
    rig.worker.heard()
    rig.forwarding.ask()
    rig.reload(profile())
    assert rig.worker.heard() == []
    rig.reload(profile(forward=True))
    assert rig.worker.heard() == [("set_overlay", 1)]
    rig.reload(profile({**ALLOWED, "c": (net("10.3.0.0/16"),)}, forward=True))
    assert rig.worker.heard() == [("put_peers", 1), ("change_routes", 1)]
    rig.reload(profile({"a": ALLOWED["a"], "c": (net("10.3.0.0/16"), *ALLOWED["b"])}, forward=True))
    assert rig.worker.heard() == [("put_peers", 1), ("change_routes", 2), ("drop_peers", 1)]
    assert rig.worker.routes[net("10.1.2.0/24")] == "c"


def test_one_peer_of_thousands_costs_one_question_and_one_line_of_each_table() -> None:
    router = Peerwise()
    rig = Rig(router, profile({f"p{number}": (net(f"10.8.{number}.0/24"),) for number in range(200)}))
    rig.worker.heard()
    phone = member("phone", "192.0.2.1/32", "fd00:9::/64", rate=9)
    rig.follow(rig.table.add(phone))
    assert rig.worker.heard() == [("put_peers", 1), ("change_routes", 2)]
    assert (rig.worker.routes[net("192.0.2.1/32")], rig.worker.rates["phone"]) == ("phone", 9)
    rig.follow(rig.table.change(member("phone", "192.0.2.2/32")))
    assert rig.worker.heard() == [("put_peers", 1), ("change_routes", 3)]
    rig.follow(rig.table.drop("phone"))
    assert rig.worker.heard() == [("change_routes", 1), ("drop_peers", 1)]
    rig.forwarding.sessions_changed()
    assert (router.asked, router.about) == (1, ["phone", "phone"])
    assert rig.worker.heard() == []


async def test_a_router_that_wants_the_whole_is_asked_once_for_many_members() -> None:
    router = Whole()
    rig = Rig(router)
    for number in range(50):
        rig.follow(rig.table.add(member(f"m{number}", f"192.0.2.{number}/32")))
    assert router.asked == 1
    assert await router.again.get() == 2
    assert len(rig.worker.routes) == 54
    rig.follow(rig.table.drop("m7"))
    assert net("192.0.2.7/32") not in rig.worker.routes, "what goes, goes at once"
    await rig.forwarding.close()


async def test_sessions_are_a_reason_to_ask_only_for_who_looks_at_them() -> None:
    router = Whole()
    rig = Rig(router)
    rig.forwarding.sessions_changed()
    await asyncio.sleep(0.01)
    assert router.asked == 1
    router.looks = True
    rig.forwarding.ask()
    assert await router.again.get() == 2
    rig.forwarding.sessions_changed()
    rig.forwarding.sessions_changed()
    assert await router.again.get() == 3
    router.looks, router.broken = False, True
    rig.forwarding.ask()
    assert await router.again.get() == 4
    rig.forwarding.sessions_changed()
    assert await router.again.get() == 5, "nobody knows what it would have looked at"
    assert router.again.empty()
    await rig.forwarding.close()


async def test_a_peerwise_router_that_fails_for_one_peer_is_asked_for_everything_once() -> None:
    router = Peerwise()
    rig = Rig(router)
    router.broken = True
    rig.follow(rig.table.add(member("phone", "192.0.2.1/32")))
    assert "not that one" in rig.forwarding.problem
    assert rig.worker.routes == EVERYTHING
    router.broken = False
    assert await router.again.get() == 2
    assert rig.forwarding.problem == ""
    assert rig.worker.routes == {**EVERYTHING, net("192.0.2.1/32"): "phone"}
    await rig.forwarding.close()


def test_the_hosts_addresses_are_told_when_they_change() -> None:
    rig = Rig(Whole())
    rig.worker.heard()
    rig.forwarding.hold(("192.0.2.1",))
    rig.forwarding.hold(("192.0.2.1",))
    assert rig.worker.heard() == [("set_addresses", 1)]
    rig.start(second := Tables())
    assert second.addresses == ("192.0.2.1",)
    rig.forwarding.hold(())
    assert second.addresses == ()


def test_a_router_that_fails_leaves_the_last_table() -> None:
    router = Whole()
    rig = Rig(router)
    router.broken = True
    rig.forwarding.ask()
    assert rig.worker.routes == EVERYTHING
    assert "no routes today" in rig.forwarding.problem
    router.broken = False
    rig.forwarding.ask()
    assert rig.forwarding.problem == ""


def test_a_router_that_fails_during_a_reload_leaves_what_is_still_allowed() -> None:
    router = Whole()
    rig = Rig(router)
    router.broken = True
    rig.reload(profile({"a": ALLOWED["a"], "c": ALLOWED["b"]}, forward=True))
    assert rig.worker.routes == dict.fromkeys(ALLOWED["a"], "a"), "the rest went with peer b, and nobody gave c any"
    assert rig.worker.hub
    assert set(rig.worker.peers) == {"a", "c"}
    rig.reload(profile())
    assert rig.worker.routes == EVERYTHING, "also after several reloads"


async def test_a_router_that_fails_when_another_takes_over_leaves_the_last_table() -> None:
    rig, broken = Rig(Peerwise()), Whole()
    broken.broken = True
    rig.reload(profile(), broken)
    assert rig.worker.routes == EVERYTHING
    assert broken.asked == 1
    await rig.forwarding.close()


def test_a_router_that_fails_when_a_worker_starts_again_leaves_the_last_table() -> None:
    router, restarted = Whole(), Tables()
    rig = Rig(router)
    router.broken = True
    rig.start(restarted)
    assert (restarted.routes, restarted.peers) == (rig.worker.routes, rig.worker.peers)


def test_without_any_good_table_nothing_is_routed() -> None:
    router = Whole()
    router.broken = True
    rig = Rig(router)
    assert rig.worker.routes == {}
    assert "no routes today" in rig.forwarding.problem
    router.broken = False
    rig.forwarding.ask()
    assert rig.worker.routes == EVERYTHING


def test_what_is_reserved_for_members_goes_to_nobody_until_somebody_has_it() -> None:
    mesh = {"network": "llpn1:" + "a" * 52, "label": "home", "overlay": ["10.86.0.0/16", "10.2.0.0/16"]}
    made = profile().model_validate(profile().model_dump(by_alias=True, exclude_none=True) | {"mesh": mesh})
    for router in (Whole(), Peerwise()):
        rig = Rig(router, made)
        assert rig.worker.peers[""] == [net("10.86.0.0/16"), net("10.2.0.0/16")]
        assert rig.worker.routes == EVERYTHING | {net("10.86.0.0/16"): ""}, "a peer of the profile has the other one"
        rig.forwarding.use(profile())
        rig.forwarding.follow(rig.table.use_profile(of_profile(profile().peers), ()))
        assert rig.worker.routes == EVERYTHING
