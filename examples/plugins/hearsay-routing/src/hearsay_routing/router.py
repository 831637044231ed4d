"""The router: the best way to each prefix that was heard, and peers' own addresses directly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.api.routing import Route, RoutingServices, RoutingView
from hearsay_routing.news import News

if TYPE_CHECKING:
    from hearsay_routing.settings import RoutingSettings

NEAR = 0
"""Metric of a peer's own addresses, which needs no hearsay."""


class Router:
    """Gives what the table says now. Asks to be asked again when it says something else."""

    def __init__(self, settings: RoutingSettings, services: RoutingServices) -> None:
        self._news = News.of(services)
        self._news.table.own = frozenset(settings.announces)
        self._news.router = services.changed
        self._news.changed()  # others hear what is announced now

    def routes(self, view: RoutingView) -> Iterator[Route]:
        """The complete table."""
        allowed = dict(view.allowed())
        self._news.table.allow(allowed)
        for peer, prefixes in allowed.items():
            for prefix in prefixes:
                if prefix.prefixlen == prefix.max_prefixlen:
                    yield Route(prefix, peer, NEAR)
        for prefix, way in self._news.table.best().items():
            if way.peer in allowed:
                yield Route(prefix, way.peer, NEAR + 1 + way.hops)
