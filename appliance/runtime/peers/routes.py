"""The forwarding table as the router's words and the peers' allowed prefixes make it, and what a change of either changes in it.

A prefix that several peers claim goes to the one with the lowest metric, then to the first name. What the router said of a peer
is kept beside what counts of it: a router that fails leaves its last words, and of them counts what the peer may have now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from appliance.api.routing import Route
from appliance.api.values import Network
from appliance.dataplane.nobodys import NOBODY

Changes = Mapping[Network, str | None]
"""Prefixes with the peer that each goes to from now on; None: to no one that it went to."""


class RouteRefused(ValueError):
    """A router claimed what no peer may have."""


class RouteTable:
    """Who gets which prefix. `changes()` says what is new since it was asked last."""

    def __init__(self) -> None:
        self._said: dict[str, Sequence[Route]] = {}
        """The router's last words about each peer that it gives something."""
        self._claims: dict[Network, tuple[Route, ...]] = {}
        """What counts of that. Nearly always one route for a prefix."""
        self._touched: dict[Network, str | None] = {}
        """Prefixes whose claims changed since `changes`, with the peer that each went to then."""

    def __iter__(self) -> Iterator[tuple[Network, str]]:
        return ((prefix, _winner(claims)) for prefix, claims in self._claims.items())

    def __len__(self) -> int:
        return len(self._claims)

    def say(self, peer: str, routes: Iterable[Route], allowed: Sequence[Network]) -> None:
        """The router gives `peer` these routes and no others. Raises RouteRefused for one that it may not have, and then has
        changed nothing."""
        said = list(routes)
        for route in said:
            if route.peer != peer:
                raise RouteRefused(f"{route.prefix} of peer {peer} goes to {route.peer}")
            check(route, allowed)
        self._replace(peer, said, said)

    def say_all(self, routes: Iterable[Route], allowed: Mapping[str, Sequence[Network]]) -> None:
        """The router gives these routes and no others. Raises RouteRefused as `say`."""
        said: dict[str, list[Route]] = {}
        for route in routes:
            prefixes = allowed.get(route.peer)
            if prefixes is None:
                raise RouteRefused(f"{route.prefix} goes to {route.peer}, which is no peer of this node")
            check(route, prefixes)
            said.setdefault(route.peer, []).append(route)
        for peer in [peer for peer in self._said if peer not in said and peer != NOBODY]:
            self._replace(peer, (), ())
        if not self._said.keys() - {NOBODY}:
            self._begin(said)
            return
        for peer, its in said.items():
            if its != self._said.get(peer):
                self._replace(peer, its, its)

    def reserve(self, ranges: Iterable[Network]) -> None:
        """These go to NOBODY, unless a peer has exactly the same."""
        kept = [Route(prefix, NOBODY) for prefix in ranges]
        self._replace(NOBODY, kept, kept)

    def allow(self, peer: str, allowed: Sequence[Network]) -> None:
        """`peer` may have these prefixes and no others: of what the router said last, count what lies within."""
        said = self._said.get(peer)
        if said is not None:
            self._replace(peer, said, [route for route in said if may_have(route.prefix, allowed)])

    def forget(self, peer: str) -> None:
        """There is no such peer any more."""
        self._replace(peer, (), ())

    def settle(self) -> None:
        """Nobody wants to hear what changed so far."""
        self._touched.clear()

    def changes(self) -> Changes:
        """What goes elsewhere than when this was asked last."""
        touched, self._touched = self._touched, {}
        now = {prefix: _winner(claims) if (claims := self._claims.get(prefix)) else None for prefix in touched}
        return {prefix: peer for prefix, peer in now.items() if peer != touched[prefix]}

    def _begin(self, said: dict[str, list[Route]]) -> None:
        """The first words, which touch everything: a prefix is looked up once, since its hash costs a microsecond."""
        self._said.update(said)
        claims = self._claims
        for its in said.values():
            for route in its:
                mine = (route,)
                if (others := claims.setdefault(route.prefix, mine)) is not mine:
                    claims[route.prefix] = (*others, route)
        self._touched = dict.fromkeys(claims) | self._touched

    def _replace(self, peer: str, said: Sequence[Route], counting: Sequence[Route]) -> None:
        """The router's words about a peer, and those of them that count."""
        for route in self._said.pop(peer, ()):
            self._touch(route.prefix)
            others = tuple(claim for claim in self._claims.get(route.prefix, ()) if claim.peer != peer)
            if others:
                self._claims[route.prefix] = others
            else:
                self._claims.pop(route.prefix, None)
        for route in counting:
            self._touch(route.prefix)
            self._claims[route.prefix] = (*self._claims.get(route.prefix, ()), route)
        if said:
            self._said[peer] = said

    def _touch(self, prefix: Network) -> None:
        if prefix not in self._touched:
            claims = self._claims.get(prefix)
            self._touched[prefix] = _winner(claims) if claims else None


def _winner(claims: tuple[Route, ...]) -> str:
    return claims[0].peer if len(claims) == 1 else min(claims, key=_order).peer


def _order(route: Route) -> tuple[bool, int, str]:
    return route.peer == NOBODY, route.metric, route.peer


def check(route: Route, allowed: Sequence[Network]) -> None:
    """Raises RouteRefused for a route that its peer may not have."""
    if not may_have(route.prefix, allowed):
        raise RouteRefused(f"{route.prefix} is outside of the allowed prefixes of peer {route.peer}")


def may_have(prefix: Network, allowed: Sequence[Network]) -> bool:
    """Does `prefix` lie in one of the `allowed`?"""
    return prefix in allowed or any(_within(prefix, wider) for wider in allowed)


def _within(inner: Network, outer: Network) -> bool:
    return (
        inner.version == outer.version
        and outer.prefixlen <= inner.prefixlen
        and int(inner.network_address) >> (inner.max_prefixlen - outer.prefixlen)
        == int(outer.network_address) >> (outer.max_prefixlen - outer.prefixlen)
    )
