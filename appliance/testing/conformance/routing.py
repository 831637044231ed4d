"""What every routing kind does."""

from __future__ import annotations

import time

import pytest

from appliance.api.routing import Route, Router, RoutingKind
from appliance.testing.conformance.kinds import KindConformance
from appliance.testing.conformance.limits import missing
from appliance.testing.routing import FakeRoutingServices, FakeRoutingView

PEERS = {"hub": ["10.8.0.0/24", "fd00:8::/64"], "laptop": ["10.8.0.2/32", "0.0.0.0/0"], "printer": ["192.168.7.0/24"]}
MANY = 2000
PATIENCE = 5.0
"""Seconds for a table of MANY peers: the daemon waits for it at each change of sessions."""


class RoutingConformance(KindConformance):
    """Subclass it, name the subclass Test…, and return your kind."""

    noun = "routing"

    def kind(self) -> RoutingKind:
        """The kind to try."""
        raise NotImplementedError

    @pytest.fixture
    def view(self) -> FakeRoutingView:
        """Three peers, one of them connected. Override it when your router needs others."""
        return FakeRoutingView(PEERS, connected=["hub"])

    def router(self) -> Router:
        """A new router."""
        router: Router = self.opened(FakeRoutingServices())
        return router

    def table(self, view: FakeRoutingView) -> list[Route]:
        """The table that a new router gives."""
        return list(self.router().routes(view))

    def test_it_has_every_member(self) -> None:
        assert not missing(self.router(), Router)

    def test_its_figures_can_be_shown(self, view: FakeRoutingView) -> None:
        services = FakeRoutingServices()
        router: Router = self.opened(services)
        self.check_figures(router, services)
        list(router.routes(view))
        self.check_figures(router, services)

    def test_it_gives_routes(self, view: FakeRoutingView) -> None:
        for route in self.table(view):
            assert isinstance(route, Route)
            assert isinstance(route.metric, int)

    def test_it_routes_to_peers_of_the_profile_only(self, view: FakeRoutingView) -> None:
        assert {route.peer for route in self.table(view)} <= {peer for peer, _ in view.allowed()}

    def test_it_stays_within_the_allowed_prefixes(self, view: FakeRoutingView) -> None:
        allowed = dict(view.allowed())
        for route in self.table(view):
            assert any(
                prefix.version == route.prefix.version and route.prefix.subnet_of(prefix)  # type: ignore[arg-type]
                for prefix in allowed[route.peer]
            ), f"{route} is outside of what the peer may have: the core would refuse the whole table"

    def test_the_same_view_gives_the_same_table(self, view: FakeRoutingView) -> None:
        router = self.router()
        assert list(router.routes(view)) == list(router.routes(view))

    def test_it_gives_the_whole_table_each_time(self, view: FakeRoutingView) -> None:
        router = self.router()
        first = sorted(map(str, router.routes(view)))
        list(router.routes(FakeRoutingView({})))
        assert sorted(map(str, router.routes(view))) == first

    def test_without_peers_there_are_no_routes(self) -> None:
        assert self.table(FakeRoutingView({})) == []

    def test_peers_may_come_and_go(self) -> None:
        router = self.router()
        for connected in ([], ["hub"], ["hub", "laptop"], []):
            assert {route.peer for route in router.routes(FakeRoutingView(PEERS, connected))} <= set(PEERS)

    def test_two_routers_do_not_share_state(self, view: FakeRoutingView) -> None:
        one, other = self.router(), self.router()
        before = list(other.routes(view))
        list(one.routes(FakeRoutingView({"other": ["10.9.0.0/24"]})))
        assert list(other.routes(view)) == before

    def test_a_large_table_does_not_take_long(self) -> None:
        peers = {f"peer-{n}": [f"10.{n >> 8}.{n & 255}.0/24", f"fd00:{n:x}::/48"] for n in range(MANY)}
        begun = time.monotonic()
        self.table(FakeRoutingView(peers, connected=peers))
        assert time.monotonic() - begun < PATIENCE
