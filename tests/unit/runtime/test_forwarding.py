"""Routes asked, judged and handed on."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

import pytest

from appliance.api.profile import Profile
from appliance.api.routing import Route, RoutingView
from appliance.api.values import Network
from appliance.runtime.peers.forwarding import Forwarding, RouteRefused, compile_routes
from appliance.runtime.peers.router import OpenRouter

net = ipaddress.ip_network
ALLOWED = {"a": (net("10.1.0.0/16"), net("fd00::/64")), "b": (net("10.2.0.0/16"), net("10.1.2.0/24"))}
IDENTITY = "llp1:" + "a" * 52


def profile(allowed: Mapping[str, Iterable[Network]] = ALLOWED, *, forward: bool = False) -> Profile:
    peers = [{"name": name, "identity": IDENTITY, "allowed": [str(p) for p in prefixes]} for name, prefixes in allowed.items()]
    network = {"addresses": ["10.0.0.1/8"], "forward": forward}
    return Profile.model_validate({"profile": 1, "network": network, "peers": peers})


class Worker:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.peers: dict[str, list[Network]] = {}
        self.tables: list[list[tuple[Network, str]]] = []
        self.hub = False
        self.addresses: list[tuple[str | int, ...]] = []

    def set_peers(self, peers: Mapping[str, Iterable[Network]]) -> None:
        self.peers = {name: list(prefixes) for name, prefixes in peers.items()}

    def set_routes(self, routes: Iterable[tuple[Network, str]], *, hub: bool, own: Iterable[str]) -> None:
        self.tables.append(list(routes))
        self.hub = hub
        self.own = list(own)

    def set_addresses(self, addresses: Sequence[str]) -> None:
        self.addresses.append((*addresses, len(self.tables)))


class Static:
    """Every allowed prefix; raises when told to."""

    broken = False

    def routes(self, view: RoutingView) -> Iterable[Route]:
        if self.broken:
            raise RuntimeError("no routes today")
        return [Route(prefix, peer) for peer, prefixes in view.allowed() for prefix in prefixes]


def test_a_narrower_route_is_fine_and_a_wider_one_is_not() -> None:
    assert compile_routes([Route(net("10.1.7.0/24"), "a")], ALLOWED) == [(net("10.1.7.0/24"), "a")]
    for prefix in ("10.0.0.0/8", "10.3.0.0/24", "fd00::/63", "::/0"):
        with pytest.raises(RouteRefused):
            compile_routes([Route(net(prefix), "a")], ALLOWED)
    with pytest.raises(RouteRefused):
        compile_routes([Route(net("10.1.0.0/24"), "stranger")], ALLOWED)


def test_of_equal_prefixes_the_lower_metric_wins_then_the_name() -> None:
    prefix = net("10.1.2.0/24")
    assert compile_routes([Route(prefix, "a", 5), Route(prefix, "b", 1)], ALLOWED) == [(prefix, "b")]
    assert compile_routes([Route(prefix, "b"), Route(prefix, "a")], ALLOWED) == [(prefix, "a")]


def test_only_changes_travel() -> None:
    worker, forwarding = Worker(), Forwarding(OpenRouter(Static()), profile(forward=True), frozenset)
    forwarding.push(worker)
    forwarding.push(worker)
    assert len(worker.tables) == 1
    assert worker.hub
    assert worker.own == [str(address) for address in profile().network.addresses]
    assert worker.own
    forwarding.push_again(worker)
    assert len(worker.tables) == 2
    assert worker.peers == {name: list(prefixes) for name, prefixes in ALLOWED.items()}


def test_the_hosts_addresses_are_told_when_they_change_and_before_routes() -> None:
    worker, forwarding = Worker(), Forwarding(OpenRouter(Static()), profile(), frozenset)
    forwarding.hold(("192.0.2.1",), None)
    forwarding.push_again(worker)
    forwarding.hold(("192.0.2.1",), worker)
    forwarding.push(worker)
    assert worker.addresses == [("192.0.2.1", 0)]
    forwarding.hold((), worker)
    assert worker.addresses[1:] == [(1,)]


def test_a_router_that_fails_leaves_the_last_table() -> None:
    router, worker = Static(), Worker()
    forwarding = Forwarding(OpenRouter(router), profile(), frozenset)
    forwarding.push(worker)
    router.broken = True
    forwarding.push(worker)
    assert len(worker.tables) == 1
    assert "no routes today" in forwarding.problem
    router.broken = False
    forwarding.push(worker)
    assert forwarding.problem == ""


def test_a_router_that_fails_during_a_reload_leaves_what_is_still_allowed() -> None:
    router, worker = Static(), Worker()
    forwarding = Forwarding(OpenRouter(router), profile(), frozenset)
    forwarding.push(worker)
    router.broken = True
    forwarding.use(profile({"a": ALLOWED["a"], "c": ALLOWED["b"]}, forward=True))
    forwarding.push(worker)
    assert dict(worker.tables[-1]) == dict.fromkeys(ALLOWED["a"], "a"), "the rest went with peer b, and nobody gave c any"
    assert worker.hub
    assert set(worker.peers) == {"a", "c"}
    forwarding.use(profile())
    forwarding.push(worker)
    assert worker.tables[-1] == worker.tables[0], "also after several reloads"


async def test_a_router_that_fails_when_another_takes_over_leaves_the_last_table() -> None:
    worker, broken = Worker(), Static()
    forwarding = Forwarding(OpenRouter(Static()), profile(), frozenset)
    forwarding.push(worker)
    broken.broken = True
    forwarding.use(profile(), OpenRouter(broken))
    forwarding.push(worker)
    assert worker.tables[-1] == worker.tables[0]
    await forwarding.close()


def test_a_router_that_fails_when_a_worker_starts_again_leaves_the_last_table() -> None:
    router, worker, restarted = Static(), Worker(), Worker()
    forwarding = Forwarding(OpenRouter(router), profile(), frozenset)
    forwarding.push(worker)
    router.broken = True
    forwarding.push_again(restarted)
    assert restarted.tables == worker.tables
    assert restarted.peers == worker.peers


def test_without_any_good_table_nothing_is_routed() -> None:
    router, worker = Static(), Worker()
    router.broken = True
    forwarding = Forwarding(OpenRouter(router), profile(), frozenset)
    forwarding.push_again(worker)
    assert worker.tables == [[]]
    assert "no routes today" in forwarding.problem
    router.broken = False
    forwarding.push(worker)
    assert len(worker.tables[-1]) == 4
