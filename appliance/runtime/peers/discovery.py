"""Runs the profile's discoverers and keeps what they found: for each peer where to try, best first, until it is too old.

Discovery fails soft: a discoverer that raises or ends is started again after a growing pause, and its peers keep what is known.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from appliance.api.discovery import Candidate, Discoverer, DiscoveryKind
from appliance.api.profile import Profile
from appliance.api.values import Endpoint
from appliance.api.zones import from_kernel
from appliance.errors import PluginFault
from appliance.foundation import clock, entropy
from appliance.foundation.logging import get_logger, once_per
from appliance.foundation.patience import as_exception
from appliance.foundation.tasks import Tasks, cancelled
from appliance.protocol.peer import is_literal
from appliance.runtime.links.loops import Refuses, nothing_refused
from appliance.runtime.peers.outside_dns import resolve_past
from appliance.runtime.plugins.account import Part
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.plugins.services import PluginServices, opening

log = get_logger("discovery")

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds before a failed discoverer is started again; doubled each time, as a DNS server's outage lasts minutes."""
LONGEST_TTL = 86400.0
RESOLVER = "bootstrap"
"""The kind that looks up the names in the peers' endpoints."""
MAX_CANDIDATES = 64
"""Endpoints kept for a peer: as many as a profile may give it."""
REPORT_EVERY = 60.0
"""Seconds between two log lines about the same trouble."""

MEMBERS = ("open", "candidates", "")
"""What of a discoverer is called; the last one is what goes through the candidates."""
BATCHES_PER_SECOND = 2000
"""More is a discoverer that never waits; ten thousand names that are all in the resolver's cache come slower."""
MAX_BATCH = 1 << 17
"""Candidates of one batch: more is an iterable that does not end. Twice the peers that a profile may have."""

Found = Callable[[str, Sequence[Endpoint]], None]


class _Known(NamedTuple):
    priority: int
    expires: float


class Discovery:
    """The discoverers of the running node.

    `found(peer, endpoints)` is called when a peer's list changed, best first; `refuses` judges each address that a name turns out
    to have.
    """

    def __init__(
        self,
        kinds: Mapping[str, DiscoveryKind],
        found: Found,
        calls: PluginCalls | None = None,
        refuses: Refuses = nothing_refused,
    ) -> None:
        self._calls = calls or PluginCalls()
        self._refuses = refuses
        self._kinds = kinds
        self._found = found
        self._tasks = Tasks()
        self._profile: Profile | None = None
        self._named: dict[tuple[str, int], tuple[str, str]] = {}
        self._peers: dict[str, dict[Endpoint, _Known]] = {}
        self._told: dict[str, tuple[Endpoint, ...]] = {}
        self._batches = 0
        self.problems: dict[str, str] = {}
        self.wanted: tuple[str, ...] = ()

    def start(self, profile: Profile) -> None:
        """Run the discoverers that `profile` names."""
        self._profile = profile
        self._named = {
            (endpoint.host, endpoint.port): (peer.name, str(endpoint)) for peer in profile.peers for endpoint in peer.endpoints
        }
        self.wanted = tuple(profile.discovery) or self._for_names(profile)
        for name in self.wanted:
            kind = self._kinds.get(name)
            if kind is None:
                self._trouble(name, f"no enabled plugin offers discovery kind {name!r}")
            else:
                self._tasks.spawn(self._keep_running(kind), f"discovery {name}")

    def _for_names(self, profile: Profile) -> tuple[str, ...]:
        """Names in endpoints must be looked up by somebody, even when the profile says nothing of discovery."""
        names = any(not is_literal(endpoint.host) for peer in profile.peers for endpoint in peer.endpoints)
        return (RESOLVER,) if names and RESOLVER in self._kinds else ()

    async def restart(self, profile: Profile) -> None:
        """A changed profile: begin anew; what was found stays for the peers that are left."""
        await self._tasks.close()
        names = {peer.name for peer in profile.peers}
        self._peers = {name: known for name, known in self._peers.items() if name in names}
        self._told = {name: told for name, told in self._told.items() if name in names}
        for kind in self.wanted:
            for member in MEMBERS:
                self._calls.well(Part("discovery", kind, member))
        self.problems.clear()
        self.start(profile)

    async def close(self) -> None:
        """Stop all discoverers."""
        await self._tasks.close()

    @property
    def given_up(self) -> bool:
        """Does a discoverer not run because it held up the node?"""
        return any(self._hangs(kind) for kind in self.wanted)

    def _hangs(self, kind: str) -> bool:
        return any(self._calls.hangs(Part("discovery", kind, member)) for member in MEMBERS)

    async def _keep_running(self, kind: DiscoveryKind) -> None:
        pause, part = FIRST_PAUSE, Part("discovery", kind.name)
        while True:
            begun = self._batches
            try:
                await self._follow(kind)
                problem: Exception | str = "it ended by itself"
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError) and cancelled():
                    raise
                problem = as_exception(error)
            if not isinstance(problem, PluginFault):
                problem = self._calls.failed(part, problem)
            self._trouble(kind.name, problem.message)
            if self._hangs(kind.name):
                return
            pause = FIRST_PAUSE if self._batches > begun else pause
            await asyncio.sleep(pause * (1 + entropy.jitter()))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _follow(self, kind: DiscoveryKind) -> None:
        """Take what a discoverer finds, for as long as it does."""
        services = _Services(self, kind.name, self._calls)
        try:
            await self._follow_open(kind, services)
        finally:
            await services.close()

    async def _follow_open(self, kind: DiscoveryKind, services: PluginServices) -> None:
        part = Part("discovery", kind.name)
        deed = opening(kind, self.settings(kind.name), services)
        discoverer: Discoverer = self._calls.call(part._replace(member="open"), deed)
        batches = self._calls.call(part._replace(member="candidates"), discoverer.candidates)
        second, so_far = clock.monotonic(), 0
        async for batch in batches:
            if cancelled():
                return  # it does not want to end
            self._take(_bounded(batch))
            self.problems.pop(kind.name, None)
            self._calls.well(part)
            now = clock.monotonic()
            second, so_far = (second, so_far + 1) if now - second < 1 else (now, 1)
            if so_far > BATCHES_PER_SECOND:
                raise TooMuch(f"it gives batch after batch without a pause: more than {BATCHES_PER_SECOND} within a second")
            await asyncio.sleep(0)

    def _take(self, batch: Iterable[Candidate]) -> None:
        now = clock.monotonic()
        self._batches += 1
        assert self._profile is not None
        names = {peer.name for peer in self._profile.peers}
        touched = set()
        for candidate in batch:
            if candidate.peer in names:
                known = self._peers.setdefault(candidate.peer, {})
                known[candidate.endpoint] = _Known(candidate.priority, now + min(max(candidate.ttl, 0.0), LONGEST_TTL))
                touched.add(candidate.peer)
        for peer in sorted(touched):
            self._tell(peer, now)

    def _tell(self, peer: str, now: float) -> None:
        known = {endpoint: entry for endpoint, entry in self._peers[peer].items() if entry.expires > now}
        best = sorted(known, key=lambda endpoint: known[endpoint].priority)[:MAX_CANDIDATES]
        self._peers[peer] = {endpoint: known[endpoint] for endpoint in best}
        if best and tuple(best) != self._told.get(peer):
            self._told[peer] = tuple(best)
            self._found(peer, best)

    def configured(self) -> Sequence[tuple[str, tuple[Endpoint, ...]]]:
        """Peers in profile order with the endpoints the profile gives."""
        assert self._profile is not None
        return [(peer.name, peer.endpoints) for peer in self._profile.peers]

    async def resolve(self, host: str, port: int) -> list[str]:
        """As `api.discovery.DiscoveryServices.resolve`, less what no packet would reach."""
        assert self._profile is not None
        found = await resolve_past(resolve, host, port, self._profile.network)
        peer, endpoint = self._named.get((host, port), ("", f"{host}:{port}"))
        reasons = self._refuses(found, endpoint, peer)
        if found and len(reasons) == len(found):
            raise OSError(errno.EHOSTUNREACH, "; ".join(reasons.values()))
        return [address for address in found if address not in reasons]

    def settings(self, kind: str) -> Mapping[str, object]:
        """What the profile says below `discovery.KIND`."""
        assert self._profile is not None
        return self._profile.discovery.get(kind, {})

    def _reported(self, kind: str, problem: str) -> None:
        if problem:
            self._trouble(kind, problem)
        else:
            self.problems.pop(kind, None)

    def _trouble(self, kind: str, problem: str) -> None:
        self.problems[kind] = problem
        if times := once_per(REPORT_EVERY, f"discovery {kind} {problem}"):
            log.warning("discovery has trouble", kind=kind, reason=problem, times=times)


class TooMuch(ValueError):
    """A discoverer gives more than a node can take."""


def _bounded(batch: Iterable[Any]) -> list[Candidate]:
    found = list(islice(batch, MAX_BATCH + 1))
    if len(found) > MAX_BATCH:
        raise TooMuch(f"a batch has more than {MAX_BATCH} candidates")
    wrong = next((each for each in found if not isinstance(each, Candidate)), None)
    if wrong is not None:
        raise TypeError(f"a batch holds a {type(wrong).__name__}, wanted Candidate")
    return found


class _Services(PluginServices):
    """What one discoverer gets from the core (api.discovery.DiscoveryServices)."""

    def __init__(self, discovery: Discovery, kind: str, calls: PluginCalls) -> None:
        super().__init__(calls, "discovery", kind)
        self._discovery = discovery
        self._kind = kind

    def configured(self) -> Sequence[tuple[str, tuple[Endpoint, ...]]]:
        return self._discovery.configured()

    async def resolve(self, host: str, port: int) -> list[str]:
        return await self._discovery.resolve(host, port)

    def report(self, problem: str) -> None:
        self._discovery._reported(self._kind, problem)  # noqa: SLF001  two halves of one thing


async def resolve(host: str, port: int) -> list[str]:
    """Address literals of `host`, in the system's order; a literal is its own. Raises OSError when there are none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(from_kernel(address)[0] for *_, address in found))
