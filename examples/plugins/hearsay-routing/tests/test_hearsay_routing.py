"""The table by itself, two nodes on a simulated network, and the suites of all that the plugin brings."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hearsay_routing.news import News
from hearsay_routing.plugin import (
    PROTOCOL,
    ROUTING,
    appliance_api_routes,
    appliance_cli_commands,
    conformance,
)
from hearsay_routing.router import Router
from hearsay_routing.settings import RoutingSettings
from hearsay_routing.table import MOST_HOPS, MOST_ROUTES, MOST_TURNS, Table, read, written

from appliance.api.management import ApiRoute, CliCommand
from appliance.api.peer_protocol import PeerProtocolKind
from appliance.api.routing import Route, RoutingKind
from appliance.api.values import Network
from appliance.testing.conformance.management import CommandConformance, RouteConformance
from appliance.testing.conformance.peer_protocol import PeerProtocolConformance
from appliance.testing.conformance.routing import RoutingConformance
from appliance.testing.management import FakeDaemon, run_command
from appliance.testing.peer_protocol import PeerProtocolPair
from appliance.testing.routing import FakeRoutingServices, FakeRoutingView


def net(text: str) -> Network:
    return ipaddress.ip_network(text)


HOME, OFFICE = net("192.168.7.0/24"), net("192.168.8.0/24")
ALLOWED = {"north": (net("192.168.0.0/16"),), "south": (net("192.168.0.0/16"),)}


@pytest.fixture
def table() -> Table:
    made = Table()
    made.allow(ALLOWED)
    return made


def test_the_fewest_hops_win_and_what_is_withdrawn_is_reached_over_others(table: Table) -> None:
    table.hear("north", {HOME: 1})
    table.hear("south", {HOME: 2})
    assert table.best()[HOME].peer == "north"
    table.hear("north", {})
    assert table.best()[HOME].peer == "south"
    assert table.forget("south")
    assert table.best() == {}


def test_a_peer_is_not_told_what_is_reached_over_it(table: Table) -> None:
    table.own = frozenset([OFFICE])
    table.hear("north", {HOME: 1})
    assert table.offer("north") == {OFFICE: 0}
    assert table.offer("south") == {OFFICE: 0, HOME: 2}


def test_a_peer_is_believed_within_what_it_may_have(table: Table) -> None:
    table.hear("north", {net("0.0.0.0/0"): 0, net("10.0.0.0/8"): 0, net("fd00::/8"): 0, HOME: 3})
    table.hear("stranger", {OFFICE: 0})
    assert set(table.best()) == {HOME}


def test_what_goes_in_circles_ends(table: Table) -> None:
    table.hear("north", {HOME: MOST_HOPS})
    assert HOME not in table.offer("south")


def test_who_says_nothing_for_long_is_not_believed(table: Table) -> None:
    table.hear("north", {HOME: 1})
    assert not any(table.turn() for _ in range(MOST_TURNS))
    table.hear("north", {HOME: 1})
    assert not any(table.turn() for _ in range(MOST_TURNS))
    assert table.turn()
    assert table.best() == {}


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"routes": None},
        {"routes": [["192.168.7.0/24"]]},
        {"routes": [["192.168.7.1/24", 1]]},
        {"routes": [["everywhere", 1]]},
        {"routes": [["192.168.7.0/24", -1]]},
        {"routes": [["192.168.7.0/24", True]]},
        {"routes": [["192.168.7.0/24", MOST_HOPS + 1]]},
        {"routes": [["192.168.7.0/24", 1]] * (MOST_ROUTES + 1)},
    ],
)
def test_what_a_peer_says_is_judged(content: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError):
        read(content)


def test_a_full_table_fits_into_a_message(table: Table) -> None:
    table.own = frozenset(net(f"2001:db8:{number:x}:ffff:ffff:ffff::/96") for number in range(MOST_ROUTES + 50))
    content = written(table.offer("north"))
    assert len(content["routes"]) == MOST_ROUTES
    assert len(json.dumps(content, separators=(",", ":"))) < 8000
    assert len(read(content)) == MOST_ROUTES


def test_the_router_asks_to_be_asked_again() -> None:
    services = FakeRoutingServices()
    router = Router(RoutingSettings(announces=(OFFICE,)), services)
    view = FakeRoutingView({"north": ["10.74.0.2/32", "192.168.0.0/16"]})
    assert list(router.routes(view)) == [Route(net("10.74.0.2/32"), "north", 0)]
    News.of(services).table.hear("north", {HOME: 1})
    News.of(services).changed()
    assert services.wishes
    assert Route(HOME, "north", 2) in list(router.routes(view))


async def test_two_nodes_tell_each_other() -> None:
    async with PeerProtocolPair(PROTOCOL, a={}, b={}) as pair:
        a, b = pair.a.news, pair.b.news
        a.table.allow({"b": (HOME,)})
        b.table.own = frozenset([HOME])
        b.changed()
        await pair.until(lambda: HOME in a.table.best())
        b.table.own = frozenset()
        await pair.until(lambda: HOME not in a.table.best())
    assert pair.failures == []


async def test_followers_hear_each_change_and_leave_nothing_behind() -> None:
    news = News()
    news.table.allow(ALLOWED)
    following = news.following()
    assert await anext(following) == []
    news.table.hear("north", {HOME: 1})
    news.changed()
    assert await anext(following) == [{"prefix": str(HOME), "peer": "north", "hops": 1, "used": True}]
    waiting = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert news.followers == []


def test_a_count_that_is_none_is_refused() -> None:
    with pytest.raises(Exception, match="no number"):
        run_command(appliance_cli_commands()[1], "--count", "many", daemon=FakeDaemon())


class TestRouting(RoutingConformance):
    def kind(self) -> RoutingKind:
        return ROUTING


class TestProtocol(PeerProtocolConformance):
    kinds = ("table",)

    def kind(self) -> PeerProtocolKind:
        return PROTOCOL


class TestRoutes(RouteConformance):
    def route(self) -> ApiRoute:
        return appliance_api_routes()[0]


class TestChanges(RouteConformance):
    def route(self) -> ApiRoute:
        return appliance_api_routes()[1]


class TestShow(CommandConformance):
    answers = conformance["hearsay routes"]["answers"]

    def command(self) -> CliCommand:
        return appliance_cli_commands()[0]
