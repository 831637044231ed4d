"""The running node: its parts put together, started in order, stopped in reverse.

listening sockets ─ host, TUN ─ worker ─ node ─ discovery ─ monitors ─ plugins' lifespans ─ control socket ─ ready
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import gc
import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.api.management import Principal
from appliance.control import callers, server
from appliance.control.admission import Admission
from appliance.errors import ApplianceError, ExitCode
from appliance.foundation import clock, entropy
from appliance.foundation.logging import get_logger
from appliance.foundation.notify import Notifier
from appliance.foundation.tasks import Tasks
from appliance.linux import glance, memory
from appliance.protocol.node import Node
from appliance.runtime import preparing
from appliance.runtime.figures import Figures
from appliance.runtime.host import changes
from appliance.runtime.host.drift import Drift
from appliance.runtime.host.surroundings import Surroundings
from appliance.runtime.lifespan import STOP_LIMIT, Lifespan
from appliance.runtime.links.loops import Loops
from appliance.runtime.links.table import Links
from appliance.runtime.links.transports import Transports
from appliance.runtime.node.driver import NodeDriver
from appliance.runtime.operations import operations
from appliance.runtime.peers import known_paths
from appliance.runtime.peers.discovery import Discovery
from appliance.runtime.peers.forwarding import Forwarding
from appliance.runtime.plugins.account import Part, PluginAccount
from appliance.runtime.plugins.calls import HELD_UP, PluginCalls
from appliance.runtime.plugins.loop_watch import LoopWatch
from appliance.runtime.plugins.monitors import Monitors
from appliance.runtime.plugins.node_view import NodeView
from appliance.runtime.plugins.stay import Stay
from appliance.runtime.reload import Reload
from appliance.runtime.status import components
from appliance.runtime.workers.faults import WorkerFaults
from appliance.runtime.workers.keeper import WorkerKeeper

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from appliance.api.profile import Profile
    from appliance.api.routing import Router
    from appliance.control.address import Listening
    from appliance.linux.tun import TunDevice
    from appliance.protocol.identity import Identity
    from appliance.protocol.settings import NodeSettings
    from appliance.runtime.daemon import Start
    from appliance.runtime.workers.pool import Workers

log = get_logger("daemon")

TIDY_AFTER = 1.0
"""Seconds from the start to the one collection of garbage: it takes 15 ms, in which the first handshakes would wait."""
GONE_TRIES, GONE_PAUSE = 50, 0.02
UNDO_SECONDS = 60.0
"""How long undoing may take before the way down goes on without it; a plan of a hundred steps takes two."""


class Daemon:
    """The running node and its parts. `profile`, from `files`, is in force; `paths` are what a reload and the next start read."""

    def __init__(
        self,
        start: Start,
        identity: Identity,
        state_dir: Path,
        listener: Listening,
    ) -> None:
        self.paths = start.paths
        self.files = start.files
        self.profile = profile = start.profile
        self.plugins = start.plugins
        self.trial = start.trial
        self.fallen_back = start.fallen_back
        self._given_up = start.given_up
        self.identity = identity
        self.state_dir = state_dir
        self.since_wall = clock.wall()
        self.notifier = Notifier()
        self.lifespan = Lifespan()
        self.tasks = Tasks()
        self.account = PluginAccount(self.plugins)
        self.calls = PluginCalls(self.account)
        self.reload = Reload(self)
        self.listener = listener
        self.admission = Admission()
        self._stop = asyncio.Event()
        self._exit_code = ExitCode.OK
        self._queues: list[TunDevice] = []
        self._refused_suites: set[str] = set()
        self._watch = LoopWatch(self.plugins.owners.of_frame)
        self._build()
        self.keeper.prepare(self.driver, preparing.worker_slots(profile), preparing.workers(profile))

    def _build(self) -> None:
        """Make all parts; nothing runs yet."""
        profile, plugins = self.profile, self.plugins
        suites = preparing.usable_suites(profile, plugins)
        node = Node(
            preparing.node_settings(profile),
            self.identity,
            suites,
            now=clock.monotonic(),
            entropy=entropy.random_bytes,
            deferring=True,
        )
        self.links = Links()
        self.loops = Loops(lambda: self.profile.network.interface, profile.network.mark)
        self.surroundings = Surroundings(lambda: self.profile, self._hold)
        self.drift = Drift(self, self.surroundings.changed)  # one socket hears for both
        drivers = {kind.driver for kind in plugins.transports.values()}
        faults = WorkerFaults(plugins, self.calls, self._needs, self._give_up)
        self.keeper = WorkerKeeper(self.links, self.state_dir, suites, drivers, self._refill, faults)
        self.driver = NodeDriver(
            node,
            self.links,
            self.keeper.worker,
            rotate_bytes=profile.crypto.rotate.bytes,
            connected=self.push_routes,
            remember=functools.partial(known_paths.remember, self.state_dir),
            refuses=self.loops.refuses,
        )
        self.transports = Transports(
            plugins.transports,
            self.links,
            self.driver,
            preparing.datagram_bytes(profile),
            profile.network.mark,
            self.loops.refuses,
            self.calls,
        )
        self.driver.transports = self.transports
        self.forwarding = Forwarding(self.open_router(profile), profile, self.driver.connected_peers, self.calls)
        self.discovery = Discovery(plugins.discovery, self.driver.on_candidates, self.calls, self.loops.refuses)
        self.figures = Figures(self.driver, self.keeper, lambda: components(self), since=clock.monotonic())
        self.figures.name, self.figures.scheduled = profile.name, profile.qos is not None
        self.monitors = Monitors(plugins.monitors, self.figures, self.calls)

    # ---- life ----

    async def run(self, child: changes.Child, confirm_within: float | None, admin: str | None) -> int:
        """Start, wait to be stopped, stop. Raises what kept it from starting."""
        self._listen_to_signals()
        self._watch.start()
        self.plugins.hurry(HELD_UP)
        loop = asyncio.get_running_loop()
        starting = loop.create_task(self._start(child, confirm_within, admin), name="start")
        stopped = loop.create_task(self._stop.wait(), name="stop")
        try:
            await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            starting.cancel()
            await self._stop.wait()
        finally:
            stopped.cancel()
            await asyncio.gather(starting, stopped, return_exceptions=True)
            self.figures.ready = False
            self.notifier.stopping()
            trouble = await self.lifespan.unwind()
            self._watch.stop()
        log.info("stopped", exit_code=int(self._exit_code))
        return ExitCode.FAILURE if "host" in trouble else self._exit_code

    def stop(self, reason: str, code: ExitCode = ExitCode.OK) -> None:
        """End in order; in a hurry when asked again."""
        if self._stop.is_set():
            self.lifespan.hurry.set()
            return
        log.info("stopping", reason=reason)
        self._exit_code = code
        self._stop.set()

    async def _start(self, child: changes.Child, confirm_within: float | None, admin: str | None) -> None:
        if confirm_within is None:
            await self._start_parts(child, None, admin)
            return
        with self.trial.opening(self.profile, confirm_within):
            await self._start_parts(child, confirm_within, admin)

    async def _start_parts(self, child: changes.Child, confirm_within: float | None, admin: str | None) -> None:
        self.lifespan.push("worker", self.keeper.stop, essential=True)
        _raise_descriptor_limit()
        self.lifespan.push("transports", self.transports.close)
        await self.transports.listen(self.profile.server.listen)  # first: a port in use is found before the host is touched
        self.lifespan.push("host", lambda: self._undo_host(child), limit=UNDO_SECONDS, essential=True)
        self.lifespan.push("TUN device", self.detach, essential=True)
        child.tell(self.state_dir, confirm_within=confirm_within, admin=admin, give_up=self._given_up)
        changed = await child.result(lambda: self._open_tun(self.profile))
        for step in changed.recovered:
            log.warning("undid what an interrupted run had left", step=step)
        for warning in changed.warnings:
            log.warning(warning)
        log.info("host is as the profile says", steps=len(changed.steps))
        self.lifespan.push("host watch", self.drift.close, limit=UNDO_SECONDS, essential=True)  # a repair would undo the undoing
        self.drift.start()
        if confirm_within is not None:
            self.reload.await_confirmation(confirm_within)
        self.lifespan.push("surroundings", self.surroundings.close)
        self.surroundings.start()  # before the workers, which begin with this host's addresses
        await self.attach(self.profile)
        self.lifespan.push("tasks", self.tasks.close)
        self.lifespan.push("node", self.driver.close)
        self.lifespan.push("transports", self.transports.close)
        self.driver.start(known_paths.recall(self.state_dir))
        self.lifespan.push("discovery", self.discovery.close)
        self.discovery.start(self.profile)
        self.lifespan.push("monitors", self.monitors.close)
        await self.monitors.use(self.profile.monitoring)
        await self._enter_lifespans()
        answering = server.ControlServer(operations(self, self.plugins.api_routes()), self._allowed, self.admission)
        answering.serve(self.listener.socket)
        self.lifespan.push("control socket", answering.close)
        self._ready()

    def _ready(self) -> None:
        self.figures.ready = True
        self.drift.settle()
        asyncio.get_running_loop().call_later(TIDY_AFTER, _tidy)
        self.notifier.feed_watchdog(lambda: self.keeper.watch.alive)
        self.notifier.ready("running")
        log.info(
            "ready",
            identity=self.identity.fingerprint,
            interface=self.profile.network.interface,
            listen=[str(bound) for bound in self.transports.bound.values()],
            peers=len(self.profile.peers),
            offloads=list(self.keeper.offloads),
        )

    async def _enter_lifespans(self) -> None:
        for plugin, context in self.plugins.lifespans(self._view):
            await self._enter(plugin, context)

    async def _enter(self, plugin: str, context: AbstractAsyncContextManager[object]) -> None:
        part = Part("lifespan", plugin)

        def over(error: Exception | None) -> None:
            self.calls.failed(part, error or "it ended by itself")

        async def leave() -> None:
            try:
                await stay.leave(STOP_LIMIT)
            except Exception as error:
                self.calls.failed(part, error, "stop")
                raise

        stay = Stay(context, f"plugin {plugin}", over)
        try:
            await stay.enter(STOP_LIMIT)
        except Exception as error:  # noqa: BLE001  a plugin's fault must not end the daemon
            self.calls.failed(part, error, "start")
        else:
            self.lifespan.push(f"plugin {plugin}", leave)

    def _view(self, plugin: str) -> NodeView:
        return NodeView(self.profile.name, self.identity.fingerprint, self.figures, self.driver, self.calls, plugin)

    async def _undo_host(self, child: changes.Child) -> None:
        known_paths.forget(self.state_dir)
        await child.gone()
        steps = await changes.undo(self.state_dir)
        log.info("host is as before", steps=steps)

    def survive(self, error: BaseException) -> bool:
        """What nobody waited for raised. True when that was a plugin's, which is told then."""
        plugin = self.calls.owner_of(error)
        if plugin is not None:
            self.calls.failed(Part("task", plugin), error)
        return plugin is not None

    def _needs(self, part: Part) -> bool:
        """Does the profile name this transport or suite?"""
        if part.noun == "suite":
            return part.kind in self.profile.crypto.suites
        dialled = (endpoint for peer in self.profile.peers for endpoint in peer.endpoints)
        return any(endpoint.scheme == part.kind for endpoint in (*self.profile.server.listen, *dialled))

    def _give_up(self, part: Part) -> None:
        """Do without a transport or suite whose code fails in the workers, as far as there are others."""
        log.error("a plugin's code fails in the worker; going on without", part=f"{part.noun} {part.kind}")
        if part.noun == "transport":
            self.transports.refuse(part.kind)
            for link in [link for link in self.links if link.kind.scheme == part.kind]:
                self.links.drop(link.number)
                self.driver.on_link_dropped(link.number)
        else:
            self._refused_suites.add(part.kind)
            self.driver.update(self.node_settings(self.profile), self.profile.crypto.rotate.bytes)

    # ---- parts that reload uses too ----

    def node_settings(self, profile: Profile) -> NodeSettings:
        """What the node is told of a profile: of its suites those that work, as long as there is one."""
        settings = preparing.node_settings(profile)
        working = tuple(name for name in settings.suites if name not in self._refused_suites)
        return dataclasses.replace(settings, suites=working or settings.suites)

    def open_router(self, profile: Profile) -> Router:
        """The router that a profile wants. Raises PluginFault."""
        kind = self.plugins.routing[profile.routing.kind]
        return self.calls.call(Part("routing", kind.name, "open"), kind.open)

    async def attach(self, profile: Profile) -> None:
        """Open the TUN, if it is not open yet, and start a worker on it, or one on each of its queues."""
        if not self._queues:
            self._open_tun(profile)
        slots = preparing.worker_slots(profile)
        await self.keeper.start(tuple(self._queues), self.driver, slots, compression=preparing.compresses(profile))

    def _open_tun(self, profile: Profile) -> None:
        """From now on packets wait for the workers in the device."""
        from appliance.linux import tun

        number, offload = preparing.workers(profile), profile.network.offload == "auto"
        for _ in range(number):
            self._queues.append(tun.attach(profile.network.interface, offload=offload, multi_queue=number > 1))
        if offload and not self._queues[0].offloads:
            log.warning("this kernel's TUN has no offloads: traffic will be slow", interface=profile.network.interface)

    def has_lost_tun(self) -> bool:
        """Is the device that the workers read no longer the profile's: deleted, renamed, or in another namespace?"""
        name = self.profile.network.interface
        return bool(self._queues) and not all(queue.is_at(name) for queue in self._queues)

    async def let_go_of_tun(self) -> None:
        """Leave a device that is not the profile's any more. If an apply of ours made it, it goes with that, wherever it is."""
        from appliance.apply import engine

        before, ours = self._queues[0].name_now(), engine.has_made(self.profile.network.interface, self.state_dir)
        for queue in self._queues:
            queue.let_go(ours=ours)
        self.keeper.use_queues(tuple(self._queues), device=False)
        if ours:
            await _gone(before)

    def reopen_tun(self) -> None:
        """Give the workers the device that has the profile's name now. Raises HostError when that is none of ours."""
        before, self._queues = self._queues, []
        try:
            self._open_tun(self.profile)
        except BaseException:
            for queue in self._queues:
                queue.close()
            self._queues = before
            raise
        self.keep_tun()
        for queue in before:
            queue.close()

    def keep_tun(self) -> None:
        """Let the workers read the device that they have left."""
        self.keeper.use_queues(tuple(self._queues), device=True)

    async def detach(self) -> None:
        """End the worker and let go of the TUN; sessions are made anew after `attach`."""
        await self.keeper.stop()
        await self._close_tun()

    def push_routes(self) -> None:
        """The set of connected peers, or the profile, changed."""
        if self.keeper.current is not None:
            self.forwarding.push(self.keeper.current)

    def _hold(self, addresses: tuple[str, ...]) -> None:
        self.forwarding.hold(addresses, self.keeper.current)

    def push_qos(self) -> None:
        """Quality of service, or a peer's rate, changed."""
        if self.keeper.current is not None:
            self.keeper.current.set_qos(*preparing.scheduling(self.profile))

    def _refill(self, workers: Workers) -> None:
        self.driver.share_cookies(workers)
        self.forwarding.push_again(workers)
        if self.profile.qos is not None:
            workers.set_qos(*preparing.scheduling(self.profile))

    async def _close_tun(self) -> None:
        queues, self._queues = self._queues, []
        for queue in queues:
            queue.close()

    # ---- signals, watchdog, callers ----

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop, f"signal {number.name}")
        loop.add_signal_handler(signal.SIGHUP, self._reload_on_signal)

    def _reload_on_signal(self) -> None:
        if self.figures.ready:
            self.tasks.spawn(self._reload(), "reload")

    async def _reload(self) -> None:
        try:
            await self.reload.reload()
        except ApplianceError as error:
            render = getattr(error, "render", None)
            reason = render() if render is not None else error.message
            log.error(  # noqa: TRY400  the admin's mistake, not ours
                "the profile was not taken over; the one before stays", reason=reason, hint=error.hint
            )

    def _allowed(self, principal: Principal, permission: str, target: str) -> bool:
        return callers.may(principal, permission, target, group=self.profile.control.group, judge=self.plugins.verdicts)


async def _gone(interface: str) -> None:
    """Wait until the interface is no more: its last descriptor is a worker's, which closes it in a moment."""
    for _ in range(GONE_TRIES):
        if not glance.is_there(interface):
            return
        await asyncio.sleep(GONE_PAUSE)


def _tidy() -> None:
    gc.collect()
    memory.give_back()
    gc.freeze()  # what a start leaves stays; the collector need not look at it again
    gc.enable()


def _raise_descriptor_limit() -> None:
    """A datagram peer costs a descriptor here and one in the worker."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError) as error:
        log.debug("the limit of descriptors stays", reason=str(error), pid=os.getpid())
