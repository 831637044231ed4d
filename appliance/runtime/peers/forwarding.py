"""Which prefixes go to which peer: asks the router, refuses what no peer may have, and tells the worker what changed. And which
addresses are this host's, so that they are no peer's.

A router that judges each peer on its own (`api.routing.PeerwiseRouter`) is asked about the peers that changed; any other is asked
for everything, and what it says is compared with what it said before. A change of sessions is a reason to ask only if the router
looked at sessions when it was asked last.

Crypto routing fails closed: a router that raises, or claims a prefix outside of a peer's allowed ones, changes nothing. The last
good table stays, also for a worker that knows nothing yet, less what peers may not have any more; without one nothing is routed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final, Protocol

from appliance.api.profile import Profile
from appliance.api.routing import Route
from appliance.api.values import Network
from appliance.dataplane.nobodys import NOBODY
from appliance.errors import PluginFault
from appliance.foundation.gathering import Gathered
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks
from appliance.planning.membership import reserved
from appliance.runtime.peers.router import OpenRouter
from appliance.runtime.peers.routes import RouteRefused, RouteTable
from appliance.runtime.peers.table import Delta, PeerEntry, PeerTable
from appliance.runtime.plugins.account import Part
from appliance.runtime.plugins.calls import PluginCalls

log = get_logger("forwarding")

MAX_ROUTES: Final = 1 << 20
"""More is a router that does not end: sixteen for each of the most peers that a profile may have."""


class ForwardingWorker(Protocol):
    """What the workers take."""

    def put_peers(self, peers: Iterable[tuple[str, Iterable[Network], int]]) -> None:
        """These peers came or changed: names, prefixes they may send from, bytes a second that may be sent to them."""

    def renew_peers(self, names: Sequence[str]) -> None:
        """Somebody else is behind these names: what was for the one before goes nowhere."""

    def drop_peers(self, names: Sequence[str]) -> None:
        """Forget these peers."""

    def change_routes(self, put: Iterable[tuple[Network, str]], gone: Iterable[Network] = ()) -> None:
        """Prefixes that go to these peers from now on, and prefixes that go to none any more."""

    def set_overlay(self, own: Sequence[str], *, hub: bool) -> None:
        """This node's own addresses inside the overlay, and whether packets of one peer go on to another."""

    def set_addresses(self, addresses: Sequence[str]) -> None:
        """All of this host's addresses."""


class Forwarding:
    """The forwarding table of the running node. `connected()` names the peers with a session, `pool()` is who moves packets."""

    def __init__(
        self,
        router: OpenRouter,
        profile: Profile,
        peers: PeerTable,
        connected: Callable[[], frozenset[str]],
        pool: Callable[[], ForwardingWorker | None],
        calls: PluginCalls | None = None,
    ) -> None:
        self._calls = calls or PluginCalls()
        self._router = router
        self._peers = peers
        self._connected = connected
        self._pool = pool
        self._tasks = Tasks()
        self._again = Gathered(self.ask)
        self._routes = RouteTable()
        self._answered = False
        self._questions = 0
        """Has a router ever given a table that could be used?"""
        self._whole = True
        """Must the router be asked for everything next time?"""
        self._begun = False
        """Does any worker know where packets go?"""
        self._looked = False
        """Did the router look at the sessions when it was asked last?"""
        self._addresses: tuple[str, ...] = ()
        self.problem = ""
        self._take(profile)

    def use(self, profile: Profile, router: OpenRouter | None = None) -> None:
        """Take over what a changed profile says of the overlay, and another router if there is one. `follow` asks it."""
        before, kept = (self._own, self._hub), self._reserved
        self._take(profile)
        if router is not None and router is not self._router:
            self._tasks.spawn(self._router.close(), "close router")
            self._router, self._whole = router, True
        pool = self._pool()
        if pool is not None and kept != self._reserved:
            pool.put_peers([(NOBODY, self._reserved, 0)])  # who has a prefix inside is known already
        if pool is not None and before != (self._own, self._hub):
            pool.set_overlay(self._own, hub=self._hub)

    def _take(self, profile: Profile) -> None:
        self._part = Part("routing", profile.routing.kind, "routes")
        self._hub = profile.network.forward and profile.policy is None  # else the kernel passes on what it allows
        self._own = [str(address) for address in profile.network.addresses]
        self._reserved = reserved(profile)
        self._routes.reserve(self._reserved)

    async def close(self) -> None:
        """End what the router runs."""
        self._again.cancel()
        await self._router.close()
        await self._tasks.close()

    # ---- what routers see ----

    def allowed(self) -> Iterable[tuple[str, tuple[Network, ...]]]:
        """For routers: peers in the table's order with their allowed prefixes."""
        return tuple((entry.name, entry.allowed) for entry in self._peers)

    def connected(self) -> frozenset[str]:
        """For routers: names of peers with an active session."""
        self._looked = True
        return self._connected()

    # ---- what changes ----

    def follow(self, delta: Delta, *, at_once: bool = True) -> None:
        """The table of peers changed: who came is known to the workers when this returns, and who went gets nothing any more;
        `part` makes the workers forget them. Not `at_once`: a router that must be asked for everything may be asked later."""
        pool, current = self._pool(), [*delta.added, *(after for _, after in delta.changed)]
        if pool is not None and current:
            pool.put_peers((entry.name, entry.allowed, entry.rate) for entry in current)
        peerwise = self._router.routes_to is not None and not self._whole
        for entry in delta.removed:
            if peerwise:
                self._routes.forget(entry.name)
            else:
                self._routes.allow(entry.name, ())  # should the router fail and the peer come back, its last words count again
        for entry in current:
            self._routes.allow(entry.name, entry.allowed)
        if not peerwise and at_once and (delta or self._whole):
            self.ask()
            return
        if peerwise:
            self._ask_about(current)
        elif delta:
            self._again.soon()
        self._tell()

    def part(self, delta: Delta) -> None:
        """The sessions of peers that went, or are somebody else now, are over: the workers may forget them."""
        pool = self._pool()
        if pool is None:
            return
        if renewed := [after.name for before, after in delta.changed if before.identity != after.identity]:
            pool.renew_peers(renewed)
        if delta.removed:
            pool.drop_peers([entry.name for entry in delta.removed])

    def sessions_changed(self) -> None:
        """A session began or ended. Costs nothing with a router to whom that makes no difference."""
        if self._looked:
            self._again.soon()

    def stats(self) -> dict[str, int]:
        """Prefixes that go to a peer, and how often the router was asked for everything."""
        return {"routes": len(self._routes), "questions": self._questions}

    def ask(self) -> None:
        """Ask the router for everything, and tell the workers what changed. Never raises: a failure leaves the last table."""
        self._ask()
        self._tell()

    def _ask(self) -> None:
        self._looked = False
        self._questions += 1
        try:
            self._calls.call(self._part, self._asked, RouteRefused)
        except RouteRefused as refused:
            self._failed(self._calls.failed(self._part, str(refused)).message)
        except PluginFault as fault:
            self._failed(fault.message)
        else:
            self._answered, self._whole = True, False
            self._say("")

    def hold(self, addresses: tuple[str, ...]) -> None:
        """This host has these addresses; tell the workers if they are others than before."""
        if addresses != self._addresses:
            self._addresses = addresses
            pool = self._pool()
            if pool is not None:
                pool.set_addresses(addresses)

    # ---- a worker that knows nothing yet ----

    def introduce(self, worker: ForwardingWorker) -> None:
        """Tell it the peers, and this host's addresses."""
        if self._reserved:
            worker.put_peers([(NOBODY, self._reserved, 0)])
        worker.put_peers((entry.name, entry.allowed, entry.rate) for entry in self._peers)
        worker.set_addresses(self._addresses)

    def begin(self, worker: ForwardingWorker) -> None:
        """Tell it where packets go, and with that to begin."""
        if self._whole:
            self._ask()
            if self._begun:
                self._tell()
        self._begun = True
        self._routes.settle()
        worker.change_routes(self._routes)
        worker.set_overlay(self._own, hub=self._hub)

    # ---- asking ----

    def _asked(self) -> None:
        routes = _bounded(self._router.routes(self))
        self._routes.say_all(routes, dict(self.allowed()))

    def _ask_about(self, entries: Iterable[PeerEntry]) -> None:
        """A failure is made good, or not, by asking for everything once."""
        try:
            for entry in entries:
                self._calls.call(self._part, lambda entry=entry: self._asked_about(entry), RouteRefused)  # type: ignore[misc]
        except RouteRefused as refused:
            problem = self._calls.failed(self._part, str(refused)).message
        except PluginFault as fault:
            problem = fault.message
        else:
            return
        self._failed(problem)
        self._whole = True
        self._again.soon()

    def _asked_about(self, entry: PeerEntry) -> None:
        assert self._router.routes_to is not None
        self._routes.say(entry.name, _bounded(self._router.routes_to(entry.name, entry.allowed)), entry.allowed)

    def _tell(self) -> None:
        pool = self._pool()
        if pool is None:
            self._routes.settle()
        elif changes := self._routes.changes():
            put = [(prefix, peer) for prefix, peer in changes.items() if peer is not None]
            pool.change_routes(put, [prefix for prefix, peer in changes.items() if peer is None])

    def _failed(self, problem: str) -> None:
        self._looked = True  # who knows what it would have looked at
        self._say(problem)

    def _say(self, problem: str) -> None:
        if problem and problem != self.problem:
            stays = "the last good table" if self._answered else "nothing is routed"
            log.error("the routing plugin failed", reason=problem, stays=stays)
        self.problem = problem


def _bounded(routes: Iterable[Route]) -> list[Route]:
    found = list(islice(routes, MAX_ROUTES + 1))
    if len(found) > MAX_ROUTES:
        raise RouteRefused(f"gives more than {MAX_ROUTES} routes")
    return found
