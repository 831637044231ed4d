"""Registers the routing kind `static`: each peer gets what its profile entry allows, connected or not."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.api.hookspecs import hookimpl
from appliance.api.routing import Route, RoutingKind, RoutingServices, RoutingView
from appliance.api.values import Network


class StaticRouter:
    """A `PeerwiseRouter` of `appliance.api.routing` without state: the table depends on the peers' allowed prefixes alone."""

    def routes(self, view: RoutingView) -> Iterator[Route]:
        """Each allowed prefix to its peer, in the order of the profile."""
        return (route for peer, prefixes in view.allowed() for route in self.routes_to(peer, prefixes))

    def routes_to(self, peer: str, allowed: tuple[Network, ...]) -> Iterator[Route]:
        """Each of these prefixes to that peer."""
        return (Route(prefix, peer) for prefix in allowed)


def _open(_settings: None, _services: RoutingServices) -> StaticRouter:
    """What it knows comes with each question, so it needs nothing else."""
    return StaticRouter()


@hookimpl
def appliance_routing() -> tuple[RoutingKind, ...]:
    """The kind that is used if the profile says nothing about routing."""
    return (RoutingKind("static", None, _open),)
