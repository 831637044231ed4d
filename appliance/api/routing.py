"""What a routing plugin implements: which prefixes are reached through which peer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, runtime_checkable

from appliance.api.services import Services
from appliance.api.values import Network


class Route(NamedTuple):
    """A prefix is behind a peer. Of equal prefixes the one with the lower metric wins, then the one whose peer's name comes
    first."""

    prefix: Network
    peer: str
    """Its name in the profile."""
    metric: int = 0


class RoutingView(Protocol):
    """What a router may know."""

    def allowed(self) -> Iterable[tuple[str, tuple[Network, ...]]]:
        """Peers in the order of the profile, with their allowed prefixes. A route outside of a peer's allowed prefixes is
        refused."""

    def connected(self) -> frozenset[str]:
        """Names of peers that have an active session."""


class Router(Protocol):
    """An open router. Asked at the start, after the peers changed, and after `services.changed()`; after sessions changed only if
    it looked at `view.connected()` when it was asked last. Never for each packet."""

    def routes(self, view: RoutingView) -> Iterable[Route]:
        """The complete table. The core makes the forwarding table from it, and uses that at once: a route that was there before
        and is not there now is withdrawn. If this raises, the last good table stays; so a router that no longer knows better
        gives the routes it is sure of, or none."""


@runtime_checkable
class PeerwiseRouter(Router, Protocol):
    """A router whose routes to a peer depend only on that peer's allowed prefixes. It is asked about the peers that changed, so
    that one peer more costs the same among ten thousand peers as among ten."""

    def routes_to(self, peer: str, allowed: tuple[Network, ...]) -> Iterable[Route]:
        """All routes to `peer`, the same that `routes` gives it. Asked when the peer came, or has other allowed prefixes."""


class RoutingServices(Services, Protocol):
    """What the core gives a router."""

    def changed(self) -> None:
        """Ask for the table again soon: something that the router decides by has changed. Call it as often as you like; many
        calls are one question."""


class RoutingKind(NamedTuple):
    """A routing kind as registered by `appliance_routing()`; see `api.kinds`.

    `name` is what `routing.kind` in a profile says; its settings stand below `routing.NAME`.
    """

    name: str
    settings: Callable[[], type[Any]] | None
    open: Callable[[Any, RoutingServices], Router]
