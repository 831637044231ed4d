"""A worker that only keeps the tables it is told, and counts what it was told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from appliance.api.profile import Profile
from appliance.api.values import Network
from appliance.runtime.peers.table import PeerTable, of_profile


def table_of(profile: Profile) -> PeerTable:
    """The peers of a profile."""
    return PeerTable(of_profile(profile.peers), [address.ip for address in profile.network.addresses])


class Tables:
    """`told` names the orders in their order, each with how many lines it had."""

    def __init__(self) -> None:
        self.peers: dict[str, list[Network]] = {}
        self.rates: dict[str, int] = {}
        self.routes: dict[Network, str] = {}
        self.addresses: tuple[str, ...] = ()
        self.own: list[str] = []
        self.hub = False
        self.told: list[tuple[str, int]] = []

    def put_peers(self, peers: Iterable[tuple[str, Iterable[Network], int]]) -> None:
        lines = list(peers)
        for name, prefixes, rate in lines:
            self.peers[name], self.rates[name] = list(prefixes), rate
        self.told.append(("put_peers", len(lines)))

    def renew_peers(self, names: Sequence[str]) -> None:
        assert set(names) <= set(self.peers)
        self.told.append(("renew_peers", len(names)))

    def drop_peers(self, names: Sequence[str]) -> None:
        for name in names:
            del self.peers[name]
            assert name not in self.routes.values(), "nothing goes to a peer that is forgotten"
        self.told.append(("drop_peers", len(names)))

    def change_routes(self, put: Iterable[tuple[Network, str]], gone: Iterable[Network] = ()) -> None:
        routes, prefixes = dict(put), list(gone)
        assert set(routes.values()) <= set(self.peers), "a peer is known before anything goes to it"
        self.routes |= routes
        for prefix in prefixes:
            del self.routes[prefix]
        self.told.append(("change_routes", len(routes) + len(prefixes)))

    def set_overlay(self, own: Sequence[str], *, hub: bool) -> None:
        self.own, self.hub = list(own), hub
        self.told.append(("set_overlay", len(own)))

    def set_addresses(self, addresses: Sequence[str]) -> None:
        self.addresses = tuple(addresses)
        self.told.append(("set_addresses", len(addresses)))

    def heard(self) -> list[tuple[str, int]]:
        """What it was told since the last time."""
        told, self.told = self.told, []
        return told
