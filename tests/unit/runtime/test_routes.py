"""The forwarding table follows what the router says and what peers may have, prefix by prefix."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.api.routing import Route
from appliance.api.values import Network
from appliance.runtime.peers.routes import RouteRefused, RouteTable, may_have

net = ipaddress.ip_network
ALLOWED = {"a": (net("10.1.0.0/16"), net("fd00::/64")), "b": (net("10.2.0.0/16"), net("10.1.2.0/24"))}


def test_a_narrower_route_is_fine_and_a_wider_one_is_not() -> None:
    table = RouteTable()
    table.say_all([Route(net("10.1.7.0/24"), "a")], ALLOWED)
    assert table.changes() == {net("10.1.7.0/24"): "a"}
    for prefix in ("10.0.0.0/8", "10.3.0.0/24", "fd00::/63", "::/0"):
        with pytest.raises(RouteRefused):
            table.say_all([Route(net("10.1.8.0/24"), "a"), Route(net(prefix), "a")], ALLOWED)
        with pytest.raises(RouteRefused):
            table.say("a", [Route(net(prefix), "a")], ALLOWED["a"])
    with pytest.raises(RouteRefused):
        table.say_all([Route(net("10.1.0.0/24"), "stranger")], ALLOWED)
    with pytest.raises(RouteRefused):
        table.say("a", [Route(net("10.1.0.0/24"), "b")], ALLOWED["a"])
    assert not table.changes()
    assert list(table) == [(net("10.1.7.0/24"), "a")]


def test_of_equal_prefixes_the_lower_metric_wins_then_the_name_and_who_is_left_takes_over() -> None:
    prefix, table = net("10.1.2.0/24"), RouteTable()
    table.say_all([Route(prefix, "a", 5), Route(prefix, "b", 1)], ALLOWED)
    assert table.changes() == {prefix: "b"}
    table.say_all([Route(prefix, "b"), Route(prefix, "a")], ALLOWED)
    assert table.changes() == {prefix: "a"}
    table.forget("a")
    assert table.changes() == {prefix: "b"}
    table.forget("b")
    assert table.changes() == {prefix: None}


def test_a_prefix_that_changes_hands_is_one_change() -> None:
    prefix, table = net("10.1.2.0/24"), RouteTable()
    table.say("a", [Route(prefix, "a")], ALLOWED["a"])
    assert table.changes() == {prefix: "a"}
    table.forget("a")
    table.say("b", [Route(prefix, "b")], ALLOWED["b"])
    assert table.changes() == {prefix: "b"}
    table.forget("b")
    table.say("b", [Route(prefix, "b")], ALLOWED["b"])
    assert table.changes() == {}


def test_what_a_peer_may_not_have_any_more_counts_again_when_it_may() -> None:
    prefix, table = net("10.1.2.0/24"), RouteTable()
    table.say("a", [Route(prefix, "a")], ALLOWED["a"])
    table.changes()
    table.allow("a", ())
    assert table.changes() == {prefix: None}
    table.allow("a", (net("10.1.2.0/23"),))
    assert table.changes() == {prefix: "a"}


PREFIXES = st.sampled_from([net(text) for text in ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/16", "fd00::/64")])
PEERS = st.sampled_from("abc")
ALLOW = st.lists(PREFIXES, max_size=3).map(tuple)
STEPS = st.one_of(
    st.tuples(st.just("allow"), PEERS, ALLOW),
    st.tuples(st.just("forget"), PEERS, st.just(())),
    st.tuples(st.just("say"), PEERS, st.lists(st.tuples(PREFIXES, st.integers(0, 2)), max_size=4).map(tuple)),
)


@given(st.lists(STEPS, max_size=30))
def test_changes_add_up_to_what_one_would_compute_anew(steps: list[tuple[str, str, tuple[object, ...]]]) -> None:
    table, worker = RouteTable(), dict[Network, str]()
    allowed, said = dict[str, tuple[Network, ...]](), dict[str, list[Route]]()
    for deed, peer, given_ in steps:
        if deed == "allow":
            allowed[peer] = given_  # type: ignore[assignment]
            table.allow(peer, allowed[peer])
        elif deed == "forget":
            allowed.pop(peer, None)
            said.pop(peer, None)
            table.forget(peer)
        else:
            routes = [Route(prefix, peer, metric) for prefix, metric in given_]  # type: ignore[misc]
            may = allowed.get(peer, ())
            if all(may_have(route.prefix, may) for route in routes):
                said[peer] = routes
                table.say(peer, routes, may)
            else:
                with pytest.raises(RouteRefused):
                    table.say(peer, routes, may)
        for prefix, winner in table.changes().items():
            if winner is None:
                del worker[prefix]
            else:
                worker[prefix] = winner
        counts = [route for name, its in said.items() for route in its if may_have(route.prefix, allowed.get(name, ()))]
        best = sorted(counts, key=lambda route: (route.metric, route.peer), reverse=True)
        assert worker == dict(table) == {route.prefix: route.peer for route in best}
