"""Who reaches what: a distance vector as in RIP (RFC 2453), with split horizon. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from appliance.api.values import Network

MOST_HOPS: Final = 15
"""Farther is out of reach: what goes in circles ends there."""
MOST_ROUTES: Final = 150
"""Of one peer, and in one message: what fits into the content of one."""
MOST_TURNS: Final = 3
"""A peer that has not told its table for so many turns is not believed any more."""


class Best(NamedTuple):
    """The way to a prefix that is used: the peer it goes to, and how many nodes are beyond it."""

    peer: str
    hops: int


class Heard(NamedTuple):
    """One peer's table."""

    routes: Mapping[Network, int]
    turns: int = 0
    """Turns since it was told."""


class Table:
    """What this node announces and what it heard, by peer."""

    def __init__(self) -> None:
        self.own: frozenset[Network] = frozenset()
        self._allowed: Mapping[str, tuple[Network, ...]] = {}
        self._heard: dict[str, Heard] = {}

    def allow(self, allowed: Mapping[str, tuple[Network, ...]]) -> None:
        """What each peer may be believed."""
        self._allowed = allowed

    def hear(self, peer: str, routes: Mapping[Network, int]) -> bool:
        """A peer told its whole table. Did anything change?"""
        before = self._heard.get(peer)
        self._heard[peer] = Heard(routes)
        return before is None or before.routes != routes

    def forget(self, peer: str) -> bool:
        """A peer is gone. Did anything change?"""
        return self._heard.pop(peer, None) is not None

    def turn(self) -> bool:
        """Time has passed: forget who has not told anything for long. Did anything change?"""
        self._heard = {peer: heard._replace(turns=heard.turns + 1) for peer, heard in self._heard.items()}
        silent = [peer for peer, heard in self._heard.items() if heard.turns > MOST_TURNS]
        for peer in silent:
            del self._heard[peer]
        return bool(silent)

    def ways(self) -> Iterator[tuple[Network, Best]]:
        """All ways that may be believed, the best to each prefix first."""
        found = [
            (prefix, Best(peer, hops))
            for peer, heard in self._heard.items()
            for prefix, hops in heard.routes.items()
            if prefix not in self.own and self._believed(peer, prefix)
        ]
        yield from sorted(found, key=lambda way: (way[0].version, way[0], way[1].hops, way[1].peer))

    def best(self) -> dict[Network, Best]:
        """The way to each prefix that is used."""
        chosen: dict[Network, Best] = {}
        for prefix, way in self.ways():
            chosen.setdefault(prefix, way)
        return chosen

    def offer(self, peer: str) -> dict[Network, int]:
        """What `peer` is told: what we have, and what we reach over others."""
        told = dict.fromkeys(sorted(self.own, key=str), 0)
        for prefix, way in self.best().items():
            if way.peer != peer and way.hops < MOST_HOPS:
                told[prefix] = way.hops + 1
        return dict(list(told.items())[:MOST_ROUTES])

    def _believed(self, peer: str, prefix: Network) -> bool:
        return any(prefix.version == mine.version and prefix.subnet_of(mine) for mine in self._allowed.get(peer, ()))  # type: ignore[arg-type]


def written(routes: Mapping[Network, int]) -> dict[str, Any]:
    """The content of a message."""
    return {"routes": [[str(prefix), hops] for prefix, hops in routes.items()]}


def read(content: Mapping[str, Any]) -> dict[Network, int]:
    """What a peer's message says. Raises ValueError for what is no table: it is a peer that wrote it."""
    routes = content.get("routes")
    if not isinstance(routes, list) or len(routes) > MOST_ROUTES:
        raise ValueError("no list of routes")
    return dict(_entries(routes))


def _entries(routes: Iterable[object]) -> Iterator[tuple[Network, int]]:
    for entry in routes:
        match entry:
            case [str(prefix), int(hops)] if type(hops) is int and 0 <= hops <= MOST_HOPS:
                yield ipaddress.ip_network(prefix), hops
            case _:
                raise ValueError("no route")
