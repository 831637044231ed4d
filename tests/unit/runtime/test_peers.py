"""Peers come, change and go at run time, and everybody hears of it in the order that is safe."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest

from appliance.api.profile import Profile
from appliance.api.routing import Route, RoutingView
from appliance.runtime.peers.forwarding import Forwarding
from appliance.runtime.peers.peers import Peers
from appliance.runtime.peers.router import OpenRouter
from appliance.runtime.peers.table import Delta, Origin, PeerEntry, PeerRefused, PeerTable, Refusal
from tests.rigs.tables import Tables

net = ipaddress.ip_network
PROFILE = Profile.model_validate({"profile": 1, "network": {"addresses": ["10.8.0.1/24"]}})
OWN = [ipaddress.ip_address("10.8.0.1")]


class Static:
    """Each peer gets what it may have."""

    def routes(self, view: RoutingView) -> list[Route]:
        return [Route(prefix, peer) for peer, prefixes in view.allowed() for prefix in prefixes]

    def routes_to(self, peer: str, allowed: tuple[ipaddress.IPv4Network, ...]) -> list[Route]:
        return [Route(prefix, peer) for prefix in allowed]


class Watching:
    """Looks at the worker at the moment when it is told."""

    def __init__(self, look: Callable[[Delta], None]) -> None:
        self.follow = look


class Rig:
    """`moments`: whom the worker knew, and to whom packets went, when the node heard of a change, and then when discovery did."""

    def __init__(self, *, can_compress: bool = True) -> None:
        self.table, self.worker, self.moments = PeerTable([], OWN), Tables(), list[tuple[set[str], set[str]]]()
        forwarding = Forwarding(OpenRouter(Static()), PROFILE, self.table, frozenset, lambda: self.worker)  # type: ignore[arg-type]
        forwarding.introduce(self.worker)
        forwarding.begin(self.worker)
        self.deltas: list[Delta] = []
        self.peers = Peers(self.table, forwarding, Watching(self._look), Watching(self._look_last), lambda: can_compress)

    def _look(self, delta: Delta) -> None:
        self.deltas.append(delta)
        self._look_last(delta)

    def _look_last(self, _delta: Delta) -> None:
        self.moments.append((set(self.worker.peers), set(self.worker.routes.values())))

    def moment(self) -> tuple[tuple[set[str], set[str]], tuple[set[str], set[str]]]:
        node, last = self.moments
        self.moments.clear()
        return node, last


def entry(name: str, *allowed: str, origin: Origin = Origin.MEMBER, compression: bool = False) -> PeerEntry:
    return PeerEntry(name, f"llp1:{name:z<51}a", allowed=tuple(map(net, allowed)), origin=origin, compression=compression)


def test_the_worker_knows_a_peer_before_the_node_and_forgets_it_after() -> None:
    rig = Rig()
    rig.peers.add_peer(entry("a", "10.9.0.1/32"))
    assert rig.moment()[0] == ({"a"}, {"a"}), "a session of it may come at once"
    rig.peers.change_peer(entry("a", "10.9.0.2/32"))
    assert rig.moment()[0] == ({"a"}, {"a"})
    assert rig.worker.routes == {net("10.9.0.2/32"): "a"}
    rig.peers.drop_peer("a")
    assert rig.moment() == (({"a"}, set()), (set(), set())), "its sessions end while the worker still knows whose they are"


def test_a_prefix_that_changes_hands_goes_somewhere_at_each_moment() -> None:
    rig = Rig()
    profile = [entry("a", "10.9.0.0/24", origin=Origin.PROFILE)]
    rig.peers.use_profile(profile, OWN)
    rig.worker.heard()
    rig.peers.use_profile([entry("b", "10.9.0.0/24", origin=Origin.PROFILE)], OWN)
    assert rig.worker.heard() == [("put_peers", 1), ("change_routes", 1), ("drop_peers", 1)]
    assert rig.worker.routes == {net("10.9.0.0/24"): "b"}


def test_what_was_for_one_identity_does_not_come_to_another_of_the_same_name() -> None:
    rig = Rig()
    rig.peers.add_peer(entry("a", "10.9.0.1/32"))
    rig.worker.heard()
    rig.peers.change_peer(entry("a", "10.9.0.1/32")._replace(identity="llp1:" + "y" * 51 + "a"))
    assert rig.worker.heard() == [("put_peers", 1), ("renew_peers", 1)]
    assert rig.worker.routes == {net("10.9.0.1/32"): "a"}


def test_what_is_refused_is_counted_and_nobody_hears_of_it() -> None:
    rig = Rig()
    rig.peers.use_profile([entry("a", "10.9.0.0/24", origin=Origin.PROFILE)], OWN)
    rig.moments.clear()
    for deed in (
        lambda: rig.peers.add_peer(entry("b", "10.9.0.7/32")),
        lambda: rig.peers.add_peer(entry("c", "10.9.0.8/32")),
        lambda: rig.peers.change_peer(entry("a")),
        lambda: rig.peers.drop_peer("nobody"),
    ):
        with pytest.raises(PeerRefused):
            deed()
    assert rig.peers.refused == {Refusal.PREFIX_TAKEN: 2, Refusal.FROM_PROFILE: 1, Refusal.UNKNOWN: 1}
    assert rig.moments == []


def test_a_profile_that_comes_takes_the_place_of_a_member_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING")
    rig = Rig()
    rig.peers.add_peer(entry("a", "10.9.0.7/32"))
    rig.peers.add_peer(entry("b", "10.9.1.7/32"))
    rig.peers.use_profile([entry("c", "10.9.0.0/24", origin=Origin.PROFILE)], OWN)
    assert [each.name for each in rig.deltas[-1].removed] == ["a"]
    assert rig.worker.routes == {net("10.9.1.7/32"): "b", net("10.9.0.0/24"): "c"}
    assert set(rig.worker.peers) == {"b", "c"}
    assert rig.peers.refused == {Refusal.PREFIX_TAKEN: 1}
    assert "made room" in caplog.text


def test_nothing_that_changed_is_told_to_nobody() -> None:
    rig = Rig()
    profile = [entry("a", "10.9.0.0/24", origin=Origin.PROFILE)]
    rig.peers.use_profile(profile, OWN)
    rig.moments.clear()
    rig.worker.heard()
    rig.peers.use_profile(profile, OWN)
    assert rig.moments == []
    assert rig.worker.heard() == []


@pytest.mark.parametrize("can_compress", [True, False])
def test_a_member_compresses_if_the_workers_can(can_compress: bool) -> None:
    rig = Rig(can_compress=can_compress)
    rig.peers.add_peer(entry("a", compression=True))
    assert rig.table.get("a") == entry("a", compression=can_compress)
