"""Runs the profile's discoverers, and tells where their finds say that peers can be reached.

Discovery fails soft: a discoverer that raises or ends is started again after a growing pause, and its peers keep what is known.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from appliance.api.discovery import BroughtPeer, Candidate, DiscoveryKind
from appliance.api.profile import Profile
from appliance.api.values import Endpoint
from appliance.api.zones import from_kernel
from appliance.errors import PluginFault
from appliance.foundation import clock, entropy
from appliance.foundation.gathering import Gathered
from appliance.foundation.logging import get_logger, once_per
from appliance.foundation.patience import as_exception
from appliance.foundation.tasks import Tasks, beside, cancelled
from appliance.protocol.peer import is_named
from appliance.runtime.links.loops import Refuses, nothing_refused
from appliance.runtime.peers.candidates import Candidates, Lists, Place
from appliance.runtime.peers.outside_dns import resolve_past
from appliance.runtime.peers.sources import Brought
from appliance.runtime.peers.table import Delta, PeerEntry, PeerTable
from appliance.runtime.plugins.account import Part
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.plugins.services import LONGEST_REPORT, PluginServices, opening

log = get_logger("discovery")

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds before a failed discoverer is started again; doubled each time, as a DNS server's outage lasts minutes."""
RESOLVER = "bootstrap"
"""The kind that looks up the names in the peers' endpoints."""
REPORT_EVERY = 60.0
"""Seconds between two log lines about the same trouble."""

ANEW_SECONDS = 1.0
"""Least seconds from a change of peers to the new beginning of discoverers that do not watch them: many changes are one."""

MEMBERS = ("open", "candidates", "peers", "")
"""What of a discoverer is called; the last one is what goes through what it gives."""
BATCHES_PER_SECOND = 2000
"""More is a discoverer that never waits; ten thousand names that are all in the resolver's cache come slower."""
MAX_BATCH = 1 << 17
"""Items of one batch: more is an iterable that does not end. Twice the peers that a profile may have."""

Found = Callable[[str, Sequence[Endpoint]], None]
Item = TypeVar("Item")
Configured = Sequence[tuple[str, tuple[Endpoint, ...]]]


@dataclass(slots=True)
class _Running:
    """A discoverer that is kept running."""

    written: Mapping[str, Any]
    """Its settings in the profile."""
    tasks: Tasks = field(default_factory=Tasks)
    services: _Services | None = None
    """Those that it has now; None in the pause before it is started again."""
    given_up: bool = False
    """It held up the node, and is not started again."""
    looks: bool = True
    """Does it look for the peers that there are, rather than bring others?"""

    @property
    def watches(self) -> bool:
        """Need it not begin anew when the peers change: it asks to be told, or has nothing to do with them?"""
        return not self.looks or (self.services is not None and self.services.watches)

    def tell_changed(self) -> None:
        """The peers are others now."""
        if self.services is not None:
            self.services.tell_changed()


class Discovery:
    """The discoverers of the running node.

    `found(peer, endpoints)` is called when a peer's list changed, best first; `refuses` judges each address that a name turns out
    to have. `identity` is this node's, `listening()` says where it accepts peers.
    """

    def __init__(
        self,
        kinds: Mapping[str, DiscoveryKind],
        found: Found,
        peers: PeerTable,
        calls: PluginCalls | None = None,
        refuses: Refuses = nothing_refused,
        identity: str = "",
        listening: Callable[[], Sequence[Endpoint]] = tuple,
    ) -> None:
        self.identity = identity
        self.listening = listening
        self._calls = calls or PluginCalls()
        self._refuses = refuses
        self._kinds = kinds
        self.core: dict[str, DiscoveryKind] = {}
        """Kinds of the core's own. They run for as long as they are here, whatever the profile names."""
        self._found = found
        self._running: dict[str, _Running] = {}
        self._profile: Profile | None = None
        self._peers = peers
        self._stale = False
        """Has the table changed since discoverers that do not watch it began?"""
        self._anew = Gathered(self._spawn_anew, ANEW_SECONDS)
        self._tasks = Tasks()
        self._named: dict[tuple[str, int], tuple[str, str]] = {}
        self._candidates = Candidates()
        self._batches = 0
        self.problems: dict[str, str] = {}
        self.wanted: tuple[str, ...] = ()
        self.brought: Brought | None = None
        """Takes the peers that discoverers bring; None: nobody does."""

    def stats(self) -> dict[str, int]:
        """Discoverers that run, candidates that are known, and batches so far."""
        return {"running": len(self._running), "candidates": len(self._candidates), "batches": self._batches}

    def found(self) -> Iterator[Place]:
        """Where peers may be, as discoverers said."""
        return self._candidates.found(clock.monotonic())

    # ---- which run ----

    def start(self, profile: Profile) -> None:
        """Run the discoverers that `profile` names."""
        self._profile = profile
        self._name(self._peers)
        self.wanted = self._wanted_by(profile)
        for name in self.wanted:
            self._run(name)

    async def use(self, profile: Profile) -> None:
        """A changed profile, after `follow`. A discoverer whose settings did not change goes on if it watches the peers, or they
        stayed."""
        self._profile = profile
        self.wanted = self._wanted_by(profile)
        await self._begin_anew()

    def follow(self, delta: Delta) -> None:
        """The table of peers changed. Who watches it is told; the others begin anew soon."""
        self._candidates.forget(entry.name for entry in delta.removed)
        self._forget_names((*delta.removed, *(before for before, _ in delta.changed)))
        current = [*delta.added, *(after for _, after in delta.changed)]
        self._name(current)
        if self._profile is None:
            return
        if not self._profile.discovery and RESOLVER not in self.wanted:
            self.wanted += self._for_names(current)
        self._stale = True
        for running in self._running.values():
            if running.watches:
                running.tell_changed()
        if any(not running.watches for running in self._running.values()) or set(self.wanted) - set(self._running):
            self._anew.soon()

    def _spawn_anew(self) -> None:
        self._tasks.spawn(self._begin_anew(), "discoverers begin anew")

    async def _begin_anew(self) -> None:
        """Stop whatever must not go on as it is, and start what is wanted and does not run."""
        self._anew.cancel()
        stale, self._stale = self._stale, False
        for name, running in list(self._running.items()):
            gone, other = name not in self.wanted, running.written != self.settings(name)
            if gone or other or running.given_up or (stale and not running.watches):
                await self._stop(name)
            if gone:
                self._tell(self._candidates.drop(name, clock.monotonic()))
                if self.brought is not None:
                    await self.brought.drop(name)
        for name in [name for name in self.problems if name not in self._running]:
            del self.problems[name]
        for name in self.wanted:
            if name not in self._running:
                self._run(name)

    async def close(self) -> None:
        """Stop all discoverers."""
        self._anew.cancel()
        await self._tasks.close()
        for name in list(self._running):
            await self._stop(name)

    def _name(self, peers: Iterable[PeerEntry]) -> None:
        self._named.update(
            ((endpoint.host, endpoint.port), (peer.name, str(endpoint))) for peer in peers for endpoint in peer.endpoints
        )

    def _forget_names(self, peers: Iterable[PeerEntry]) -> None:
        for peer in peers:
            for endpoint in peer.endpoints:
                if self._named.get((endpoint.host, endpoint.port), ("",))[0] == peer.name:
                    del self._named[endpoint.host, endpoint.port]

    def _wanted_by(self, profile: Profile) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*(profile.discovery or self._for_names(self._peers)), *self.core)))

    def _for_names(self, peers: Iterable[PeerEntry]) -> tuple[str, ...]:
        """Names in endpoints must be looked up by somebody, even when the profile says nothing of discovery."""
        names = any(is_named(endpoint) for peer in peers for endpoint in peer.endpoints)
        return (RESOLVER,) if names and RESOLVER in self._kinds else ()

    def _run(self, name: str) -> None:
        kind = self.core.get(name) or self._kinds.get(name)
        if kind is None:
            self._trouble(name, f"no enabled plugin offers discovery kind {name!r}")
            return
        running = self._running[name] = _Running(self.settings(name))
        running.tasks.spawn(self._keep_running(kind, running), f"discovery {name}")

    async def _stop(self, name: str) -> None:
        running = self._running.pop(name, None)
        if running is not None:  # else it is being stopped
            await running.tasks.close()
        self.problems.pop(name, None)
        for member in MEMBERS:
            self._calls.well(Part("discovery", name, member))

    @property
    def given_up(self) -> bool:
        """Does a discoverer not run because it held up the node?"""
        return any(running.given_up for running in self._running.values())

    def _hangs(self, kind: str) -> bool:
        return any(self._calls.hangs(Part("discovery", kind, member)) for member in MEMBERS)

    # ---- one of them ----

    async def _keep_running(self, kind: DiscoveryKind, running: _Running) -> None:
        pause, part = FIRST_PAUSE, Part("discovery", kind.name)
        while True:
            begun = self._batches
            try:
                await self._follow(kind, running)
                problem: Exception | str = "it ended by itself"
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError) and cancelled():
                    raise
                problem = as_exception(error)
            if not isinstance(problem, PluginFault):
                problem = self._calls.failed(part, problem)
            running.given_up = self._hangs(kind.name)
            self._trouble(kind.name, problem.message)
            if running.given_up:
                return
            pause = FIRST_PAUSE if self._batches > begun else pause
            await asyncio.sleep(pause * (1 + entropy.jitter()))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _follow(self, kind: DiscoveryKind, running: _Running) -> None:
        """Take what a discoverer finds, for as long as it does."""
        services = running.services = _Services(self, kind.name, self._calls)
        part = Part("discovery", kind.name)
        try:
            opened = self._calls.call(part._replace(member="open"), opening(kind, running.written, services))
            running.looks = hasattr(opened, "candidates")
            reading = {name: take for name, take in (("candidates", self._take), ("peers", self._bring)) if hasattr(opened, name)}
            if not reading:
                raise TypeError(f"open gave a {type(opened).__name__}, which has neither candidates nor peers")
            works = []
            for name, take in reading.items():
                batches = self._calls.call(part._replace(member=name), getattr(opened, name))
                works.append(self._read(part, batches, functools.partial(take, kind.name)))
            await beside(works)
        finally:
            running.services = None
            await services.close()

    async def _read(self, part: Part, batches: AsyncIterator[Any], take: Callable[[Any], Awaitable[None]]) -> None:
        second, so_far = clock.monotonic(), 0
        async for batch in batches:
            if cancelled():
                return  # it does not want to end
            await take(batch)
            self._batches += 1
            self.problems.pop(part.kind, None)
            self._calls.well(part)
            now = clock.monotonic()
            second, so_far = (second, so_far + 1) if now - second < 1 else (now, 1)
            if so_far > BATCHES_PER_SECOND:
                raise TooMuch(f"it gives batch after batch without a pause: more than {BATCHES_PER_SECOND} within a second")
            await asyncio.sleep(0)

    async def _take(self, kind: str, batch: Iterable[Candidate]) -> None:
        self._tell(self._candidates.take(kind, _bounded(batch, Candidate), self._peers, clock.monotonic()))

    async def _bring(self, kind: str, batch: Iterable[BroughtPeer]) -> None:
        peers = _bounded(batch, BroughtPeer)
        if self.brought is not None:
            await self.brought.take(kind, peers)

    def _tell(self, lists: Lists) -> None:
        for peer, endpoints in lists.items():
            entry = self._peers.get(peer)
            written = () if entry is None else entry.endpoints
            self._found(peer, endpoints or [endpoint for endpoint in written if not is_named(endpoint)])

    # ---- what discoverers ask ----

    def configured(self) -> Configured:
        """Peers in profile order with the endpoints the profile gives."""
        return [(entry.name, entry.endpoints) for entry in self._peers]

    def identities(self) -> dict[str, str]:
        """The identity of each peer."""
        return {entry.name: entry.identity for entry in self._peers}

    @property
    def interface(self) -> str:
        """The overlay's."""
        assert self._profile is not None
        return self._profile.network.interface

    async def resolve(self, host: str, port: int) -> list[str]:
        """As `api.discovery.DiscoveryServices.resolve`, less what no packet would reach."""
        assert self._profile is not None
        found = await resolve_past(resolve, host, port, self._profile.network)
        peer, endpoint = self._named.get((host, port), ("", f"{host}:{port}"))
        reasons = self._refuses(found, endpoint, peer)
        if found and len(reasons) == len(found):
            raise OSError(errno.EHOSTUNREACH, "; ".join(reasons.values()))
        return [address for address in found if address not in reasons]

    def settings(self, kind: str) -> Mapping[str, Any]:
        """What the profile says below `discovery.KIND`."""
        assert self._profile is not None
        return self._profile.discovery.get(kind, {})

    def reported(self, kind: str, problem: str) -> None:
        """A discoverer tells of trouble; "" says that it is over."""
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


def _bounded(batch: Iterable[Any], kind: type[Item]) -> list[Item]:
    found = list(islice(batch, MAX_BATCH + 1))
    if len(found) > MAX_BATCH:
        raise TooMuch(f"a batch has more than {MAX_BATCH} items")
    wrong = next((each for each in found if not isinstance(each, kind)), None)
    if wrong is not None:
        raise TypeError(f"a batch holds a {type(wrong).__name__}, wanted {kind.__name__}")
    return found


class _Services(PluginServices):
    """What one discoverer gets from the core (api.discovery.DiscoveryServices)."""

    def __init__(self, discovery: Discovery, kind: str, calls: PluginCalls) -> None:
        super().__init__(calls, "discovery", kind)
        self._discovery = discovery
        self._kind = kind
        self._news = asyncio.Event()
        self.watches = False
        """Has it ever asked to be told of changes?"""

    @property
    def identity(self) -> str:
        return self._discovery.identity

    @property
    def interface(self) -> str:
        return self._discovery.interface

    def identities(self) -> Mapping[str, str]:
        return self._discovery.identities()

    def listening(self) -> Sequence[Endpoint]:
        return self._discovery.listening()

    def configured(self) -> Configured:
        self._news.clear()
        return self._discovery.configured()

    async def changed(self, within: float | None = None) -> bool:
        self.watches = True
        try:
            async with asyncio.timeout(within):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def tell_changed(self) -> None:
        """The peers are others now."""
        self._news.set()

    async def resolve(self, host: str, port: int) -> list[str]:
        return await self._discovery.resolve(host, port)

    def report(self, problem: str) -> None:
        self._discovery.reported(self._kind, str(problem)[:LONGEST_REPORT])


async def resolve(host: str, port: int) -> list[str]:
    """Address literals of `host`, in the system's order; a literal is its own. Raises OSError when there are none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(from_kernel(address)[0] for *_, address in found))
