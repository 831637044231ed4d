"""What a routing plugin implements: which prefixes are reached through which peer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from appliance.api.services import Services
from appliance.api.values import Network


class Route(NamedTuple):
    """`prefix` is behind `peer` (its name in the profile). Of equal prefixes the lower `metric` wins, then the name."""

    prefix: Network
    peer: str
    metric: int = 0


class RoutingView(Protocol):
    """What a router may know: configured peers with their allowed prefixes, and which of them have a session."""

    def allowed(self) -> Iterable[tuple[str, tuple[Network, ...]]]:
        """Peers in profile order with their allowed prefixes. A route outside of a peer's allowed prefixes is refused."""

    def connected(self) -> frozenset[str]:
        """Names of peers with an active session."""


class Router(Protocol):
    """An open router. Asked after each change of peers or sessions, and when it says `services.changed()`; never per packet."""

    def routes(self, view: RoutingView) -> Iterable[Route]:
        """The complete table. The core compiles it into the forwarding table and swaps it in at once: a route that was there
        before and is not in it now is withdrawn. When this raises, the last good table stays, so a router that no longer knows
        gives what it is sure of, or nothing."""


class RoutingServices(Services, Protocol):
    """What the core gives a router."""

    def changed(self) -> None:
        """Ask for the table again soon: something that the router goes by has changed. Call it as often as you like, many wishes
        are one question."""


class RoutingKind(NamedTuple):
    """A routing kind as registered by `appliance_routing()`; see `api.kinds`.

    `name` is what `routing.kind` in a profile says; its settings stand below `routing.NAME`.
    """

    name: str
    settings: Callable[[], type[Any]] | None
    open: Callable[[Any, RoutingServices], Router]
