"""Which prefixes go to which peer: asks the router, refuses what no peer may have, tells the worker. And which addresses are
this host's, so that they are no peer's.

Crypto routing fails closed: a router that raises, or claims a prefix outside of a peer's allowed ones, changes nothing. The last
good table stays, also for a worker that knows nothing yet, less what the profile no longer allows; without one nothing is routed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, Protocol

from appliance.api.profile import Profile
from appliance.api.routing import Route
from appliance.api.values import Network
from appliance.errors import PluginFault
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks
from appliance.runtime.peers.router import OpenRouter
from appliance.runtime.plugins.account import Part
from appliance.runtime.plugins.calls import PluginCalls

log = get_logger("forwarding")

Table = list[tuple[Network, str]]
"""Each prefix with the peer it goes to."""


MAX_ROUTES: Final = 1 << 20
"""More is a router that does not end: sixteen for each of the most peers that a profile may have."""


class ForwardingWorker(Protocol):
    """What the worker takes."""

    def set_peers(self, peers: Mapping[str, Iterable[Network]]) -> None:
        """All peers with their allowed prefixes."""

    def set_routes(self, routes: Iterable[tuple[Network, str]], *, hub: bool, own: Iterable[str]) -> None:
        """The whole forwarding table, and this node's own addresses inside the overlay."""

    def set_addresses(self, addresses: Sequence[str]) -> None:
        """All of this host's addresses."""


class RouteRefused(ValueError):
    """A router claimed what no peer may have."""


class Forwarding:
    """The forwarding table of the running node. `connected()` names the peers with a session."""

    def __init__(
        self,
        router: OpenRouter,
        profile: Profile,
        connected: Callable[[], frozenset[str]],
        calls: PluginCalls | None = None,
    ) -> None:
        self._calls = calls or PluginCalls()
        self._router = router
        self._tasks = Tasks()
        self._connected = connected
        self._good: Table | None = None
        """What the router said last that could be used."""
        self._told: Table | None = None
        """What the worker has; None when it must be told again."""
        self._addresses: tuple[str, ...] = ()
        self.problem = ""
        self.use(profile)

    def use(self, profile: Profile, router: OpenRouter | None = None) -> None:
        """Take over a changed profile's peers, and another router if there is one; `push` tells the worker."""
        self._allowed = {peer.name: peer.allowed for peer in profile.peers}
        self._part = Part("routing", profile.routing.kind, "routes")
        self._hub = profile.network.forward
        self._own = [str(address) for address in profile.network.addresses]
        if router is not None and router is not self._router:
            self._tasks.spawn(self._router.close(), "close router")
            self._router = router
        self._told = None

    async def close(self) -> None:
        """End what the router runs."""
        await self._router.close()
        await self._tasks.close()

    def allowed(self) -> Iterable[tuple[str, tuple[Network, ...]]]:
        """For routers: peers in profile order with their allowed prefixes."""
        return tuple(self._allowed.items())

    def allowed_of(self, peer: str) -> tuple[Network, ...]:
        """The allowed prefixes of a peer; none of one that is not known."""
        return self._allowed.get(peer, ())

    def connected(self) -> frozenset[str]:
        """For routers: names of peers with an active session."""
        return self._connected()

    def push(self, worker: ForwardingWorker) -> None:
        """Compute the table and, when it changed, hand it to `worker`. Never raises: a bad router leaves the last good table."""
        try:
            self._good = self._calls.call(self._part, self._asked, RouteRefused)
        except RouteRefused as refused:
            self._say(self._calls.failed(self._part, str(refused)).message)
        except PluginFault as fault:
            self._say(fault.message)
        else:
            self._say("")
        table = self._still_allowed()
        if table != self._told:
            worker.set_peers(self._allowed)
            worker.set_routes(table, hub=self._hub, own=self._own)
            self._told = table

    def hold(self, addresses: tuple[str, ...], worker: ForwardingWorker | None) -> None:
        """This host has these addresses; tell the worker if there is one, and they are others than before."""
        if addresses != self._addresses:
            self._addresses = addresses
            if worker is not None:
                worker.set_addresses(addresses)

    def push_again(self, worker: ForwardingWorker) -> None:
        """As `push`, for a worker that knows nothing yet."""
        worker.set_addresses(self._addresses)  # first: with the routes it begins to work
        self._told = None
        self.push(worker)

    def _asked(self) -> Table:
        routes = list(islice(self._router.routes(self), MAX_ROUTES + 1))
        if len(routes) > MAX_ROUTES:
            raise RouteRefused(f"gives more than {MAX_ROUTES} routes")
        return compile_routes(routes, self._allowed)

    def _still_allowed(self) -> Table:
        """The last good table, without what a profile that came since took away."""
        return [(prefix, peer) for prefix, peer in self._good or () if may_have(prefix, self._allowed.get(peer, ()))]

    def _say(self, problem: str) -> None:
        if problem and problem != self.problem:
            stays = "nothing is routed" if self._good is None else "the last good table"
            log.error("the routing plugin failed", reason=problem, stays=stays)
        self.problem = problem


def compile_routes(routes: Iterable[Route], allowed: Mapping[str, tuple[Network, ...]]) -> Table:
    """The winner of each prefix: lower metric, then the name. Raises RouteRefused for a route that its peer may not have."""
    best: dict[Network, Route] = {}
    for route in routes:
        _check(route, allowed)
        rival = best.get(route.prefix)
        if rival is None or (route.metric, route.peer) < (rival.metric, rival.peer):
            best[route.prefix] = route
    return [(prefix, route.peer) for prefix, route in best.items()]


def _check(route: Route, allowed: Mapping[str, tuple[Network, ...]]) -> None:
    prefixes = allowed.get(route.peer)
    if prefixes is None:
        raise RouteRefused(f"{route.prefix} goes to {route.peer}, which is no peer of the profile")
    if not may_have(route.prefix, prefixes):
        raise RouteRefused(f"{route.prefix} is outside of the allowed prefixes of peer {route.peer}")


def may_have(prefix: Network, allowed: tuple[Network, ...]) -> bool:
    """Does `prefix` lie in one of the `allowed`?"""
    return prefix in allowed or any(_within(prefix, wider) for wider in allowed)


def _within(inner: Network, outer: Network) -> bool:
    return (
        inner.version == outer.version
        and outer.prefixlen <= inner.prefixlen
        and int(inner.network_address) >> (inner.max_prefixlen - outer.prefixlen)
        == int(outer.network_address) >> (outer.max_prefixlen - outer.prefixlen)
    )
