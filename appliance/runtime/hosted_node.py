"""A node on this host: what the host must be like, who may ask it what, and how it comes and goes with the service manager.

listening sockets ─ names ─ host, TUN device ─ host watch ─ workers … the node … ─ control socket ─ ready
"""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import resource
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.control import server
from appliance.control.admission import Admission
from appliance.control.authority import Authority
from appliance.errors import ApplianceError, ExitCode
from appliance.foundation import clock, places
from appliance.foundation.logging import get_logger
from appliance.foundation.notify import Notifier
from appliance.foundation.pressure_watch import PressureWatch
from appliance.linux import interfaces, memory
from appliance.linux.pressure import HostReader
from appliance.planning.own import Owner
from appliance.protocol.pressure import Limits, Pressure
from appliance.runtime.around import Around
from appliance.runtime.audit.part import AuditPart
from appliance.runtime.audit.told import Told
from appliance.runtime.events import Events
from appliance.runtime.host.changer import Changer, HostChanger, NothingToChange
from appliance.runtime.host.countdown import Countdown
from appliance.runtime.host.drift import Drift
from appliance.runtime.host.firewalls import Firewalls
from appliance.runtime.host.surroundings import Surroundings
from appliance.runtime.host.tun_queues import Queues, TunQueues
from appliance.runtime.in_force import InForce
from appliance.runtime.inside import HERE, Inside
from appliance.runtime.links.loops import Loops, nothing_refused
from appliance.runtime.managing import Managing
from appliance.runtime.names.names import Names
from appliance.runtime.node_runtime import NodeRuntime
from appliance.runtime.operations import Asked, operations
from appliance.runtime.peers import known_paths
from appliance.runtime.plugins.calls import HELD_UP
from appliance.runtime.plugins.loop_watch import LoopWatch
from appliance.runtime.policy.access import Access
from appliance.runtime.reload import Reload, Reloaded
from appliance.runtime.signals import Signals
from appliance.runtime.status import Shown
from appliance.runtime.streams.part import StreamsPart
from appliance.runtime.workers import orphans

if TYPE_CHECKING:
    from appliance.control.address import Listening
    from appliance.control.conversation import Operation
    from appliance.foundation.turns import Turns
    from appliance.members.certificate import Certificate
    from appliance.protocol.identity import Identity
    from appliance.runtime.host import changes
    from appliance.runtime.management.part import ManagementPart
    from appliance.runtime.members.mesh import Mesh
    from appliance.runtime.start import Start
    from appliance.runtime.userspace.devices import UserspaceDevices

log = get_logger("daemon")

TIDY_AFTER = 1.0
"""Seconds from the start to the one collection of garbage: it takes 15 ms, in which the first handshakes would wait."""
UNDO_SECONDS = 60.0
"""How long undoing may take before the way down goes on without it; a plan of a hundred steps takes two."""


class HostedNode:
    """A node, the host that it changes, and the control socket. `inside`: the network that it changes."""

    def __init__(
        self,
        start: Start,
        identity: Identity,
        state_dir: Path,
        listener: Listening,
        turns: Turns | None = None,
        inside: Inside = HERE,
    ) -> None:
        profile, plugins = start.profile, start.plugins
        self._inside = inside
        self._in_force = in_force = InForce(profile, start.files, start.paths, fallen_back=start.fallen_back)
        self._given_up = start.given_up
        self._attended = start.attended
        self._trial = start.trial
        self._state_dir = state_dir
        self._turns = turns
        self._known_paths = known_paths.KnownPaths(state_dir)
        self._listener = listener
        self._admission = Admission()
        self._notifier = Notifier()
        self._stop = asyncio.Event()
        self._exit_code = ExitCode.OK
        self._answering: server.ControlServer | None = None
        self._watch = LoopWatch(plugins.owners.of_frame)
        self._pressure = Pressure(Limits.of(profile.limits.pressure))
        self._pressure_watch = PressureWatch(self._pressure, HostReader().read, self._run_short)
        self._loops = Loops(lambda: in_force.profile.network.interface, profile.network.mark)
        self._operations: dict[str, Operation] = {}
        self._node = node = NodeRuntime(profile, plugins, identity, self._around())
        self._lifespan = node.lifespan
        node.figures.short = self._pressure.shown
        self._authority = Authority(
            lambda: in_force.profile.control.group, plugins.opinions(lambda: in_force.profile), node.calls.authorized
        )
        self._managing = Managing(node, in_force, self._authority, state_dir, self._management_begun)
        self._surroundings = Surroundings(lambda: in_force.profile, node.hold, node.send_from, inside)
        self._userspace = None if inside.kernel else _userspace(in_force)
        self._tun: Queues = self._userspace or TunQueues(in_force, state_dir, node.keeper.use_queues, inside)
        self._host: Changer = HostChanger(state_dir, inside) if inside.kernel else NothingToChange()
        self._names = Names(node.peers.table, lambda: node.called, asked=not inside.apart)
        self._streams = StreamsPart(node.peers.table, lambda: in_force.profile, inside)
        if (userspace := self._userspace) is not None:
            self._streams.sockets = lambda: userspace.sockets
        nft_table = Owner.of(places.instance_of(state_dir)).table
        connections = None if self._userspace is None else self._userspace.connections
        self._access = access = Access(node.peers.table, self._certificates, nft_table, inside, connections)
        audit_folder = self._trial.path.with_suffix(".audit")
        told = Told(audit_folder, identity, self._mesh, self._identity_of, self._stop.is_set)
        self._audit = audit = AuditPart(told, node.optional.added)
        node.optional.core[audit.kind.name] = audit.kind
        node.peers.changed, node.optional.members_changed = access.peers_changed, self._members_changed
        self._streams.judge = audit.judging_streams(access.may_have)
        self._countdown, changing = Countdown(), asyncio.Lock()
        self._firewalls = Firewalls()
        self._drift = Drift(
            in_force,
            self._tun,
            plugins.plan,
            state_dir,
            changing,
            self._countdown,
            self._surroundings.changed,  # one socket hears for both
            node.driver.offloads.try_again,
            inside,
            access.lost,
            self._firewalls,
        )
        self._reload = self._new_reload(changing)
        self._shown = self._new_shown()
        node.optional.certificate_changed = self._certificate_changed
        self._events = Events(node.health, in_force, lambda: audit.written)
        node.driver.subscribers.append(self._events.on_session)
        node.optional.member_told = self._events.on_member
        node.prepare()

    def _new_reload(self, changing: asyncio.Lock) -> Reload:
        return Reload(
            Reloaded(
                in_force=self._in_force,
                node=self._node,
                names=self._names,
                access=self._access,
                audit=self._audit,
                tun=self._tun,
                inside=self._inside,
                host=self._host,
                trial=self._trial,
                countdown=self._countdown,
                firewalls=self._firewalls,
                changing=changing,
                notifier=self._notifier,
                settled=self._settled,
                plugins_changed=self._plugins_changed,
                stop=self.stop,
            )
        )

    def _new_shown(self) -> Shown:
        return Shown(
            node=self._node,
            in_force=self._in_force,
            trial=self._trial,
            drift=self._drift,
            names=self._names,
            streams=self._streams,
            access=self._access,
            countdown=self._countdown,
            advisers=(self._loops, self._surroundings, self._firewalls),
            refused_callers=self._admission.refused,
            judged=self._authority.counted,
            since=clock.wall(),
            instance=places.instance_of(self._state_dir),
            inside=self._inside,
            userspace=None if self._userspace is None else self._userspace.shown,
            management=self._managing.shown,
        )

    def _around(self) -> Around:
        apart = self._inside.apart  # then nothing of the host's is routed into the tunnel
        return Around(
            mark=None if apart else self._in_force.profile.network.mark,
            refuses=nothing_refused if apart else self._loops.refuses,
            dropped=lambda interface: self._inside.call(interfaces.dropped, interface),
            recall=functools.partial(known_paths.recall, self._state_dir),
            remember=self._known_paths.note,
            keep_pids=self._keep_pids,
            problems=self._problems,
            turns=self._turns,
            state=self._state_dir,
            kept=self._trial.path.with_suffix(".plugins"),
        )

    # ---- life ----

    async def run(self, child: changes.Child | None, confirm_within: float | None, admin: str | None) -> int:
        """Start, wait to be stopped, stop. Raises what kept it from starting."""
        Signals(self.stop, self._reload_on_signal).listen(attended=self._attended)
        self._watch.start()
        self._pressure_watch.start()
        self._node.plugins.hurry(HELD_UP)
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
            self._notifier.stopping()
            trouble = await self._node.stop()
            self._pressure_watch.stop()
            self._watch.stop()
        log.info("stopped", exit_code=int(self._exit_code))
        return ExitCode.FAILURE if "host" in trouble else self._exit_code

    def stop(self, reason: str, code: ExitCode = ExitCode.OK) -> None:
        """End in order; in a hurry when asked again."""
        if self._stop.is_set():
            self._lifespan.hurry.set()
            return
        log.info("stopping", reason=reason)
        self._exit_code = code
        self._stop.set()

    def survive(self, error: BaseException) -> bool:
        """As NodeRuntime.survive."""
        return self._node.survive(error)

    async def _start(self, child: changes.Child | None, confirm_within: float | None, admin: str | None) -> None:
        if confirm_within is None:
            await self._start_parts(child, None, admin)
            return
        with self._trial.opening(self._in_force.profile, confirm_within):
            await self._start_parts(child, confirm_within, admin)

    async def _start_parts(self, child: changes.Child | None, confirm_within: float | None, admin: str | None) -> None:
        node, profile = self._node, self._in_force.profile
        _raise_descriptor_limit()
        self._lifespan.push("audit log", self._audit.stop, essential=True)
        await self._audit.use(profile)
        await node.listen()  # first: a port in use is found before the host is touched
        self._lifespan.push("names", self._names.close)  # before what tells this host to ask here, so it ends after that
        await self._names.open(profile)
        self._lifespan.push("host", lambda: self._undo_host(child), limit=UNDO_SECONDS, essential=True)
        self._lifespan.push("TUN device", self._detach, essential=True)
        if child is not None:
            await self._change_host(child, confirm_within, admin)
            self._watch_host()
        if confirm_within is not None:
            self._reload.await_confirmation(confirm_within)
        self._lifespan.push("surroundings", self._surroundings.close)
        self._surroundings.start()  # before the workers, which begin with this host's addresses
        self._lifespan.push("policy", self._access.close)
        await self._access.use(profile)  # before the workers, which bring the first packets
        await node.attach(self._tun.open(profile))
        await node.begin()
        await self._names.use(profile)
        if self._userspace is not None:
            self._lifespan.push("user-space network", self._userspace.end)
        self._lifespan.push("streams", self._streams.close)
        self._operations_changed()
        self._audit.changed = self._operations_changed
        answering = server.ControlServer(self._operations, self._audit.judging(self._authority.allows), self._admission)
        answering.serve(self._listener.socket)
        self._answering = answering
        self._lifespan.push("control socket", answering.close)
        await self._managing.use(answering.attend)
        await self._names.settle(profile)
        self._ready()

    async def _change_host(self, child: changes.Child, confirm_within: float | None, admin: str | None) -> None:
        child.tell(self._state_dir, confirm_within=confirm_within, admin=admin, give_up=self._given_up)
        changed = await child.result(lambda: self._tun.open(self._in_force.profile))
        for step in changed.recovered:
            log.warning("undid what an interrupted run had left", step=step)
        for warning in changed.warnings:
            log.warning(warning)
        self._firewalls.applied(changed.firewalls)
        log.info("host is as the profile says", steps=len(changed.steps))

    def _watch_host(self) -> None:
        # it ends before the host is undone, as a repair would undo the undoing
        self._lifespan.push("host watch", self._drift.close, limit=UNDO_SECONDS, essential=True)
        self._node.keeper.on_tun_lost = self._drift.on_tun_lost
        self._drift.start()

    def _ready(self) -> None:
        node = self._node
        node.ready = True
        self._drift.settle()
        asyncio.get_running_loop().call_later(TIDY_AFTER, _tidy)
        self._notifier.feed_watchdog(lambda: node.health().alive)
        self._notifier.ready("running")
        log.info(
            "ready",
            identity=node.identity.fingerprint,
            interface=node.profile.network.interface if self._inside.kernel else "",
            listen=[str(bound) for bound in node.transports.bound.values()],
            peers=len(node.profile.peers),
            offloads=list(node.keeper.offloads),
        )

    async def _undo_host(self, child: changes.Child | None) -> None:
        self._known_paths.close()
        known_paths.forget(self._state_dir)
        if child is None:
            return
        await child.gone()
        steps = await self._host.undo()
        log.info("host is as before", steps=steps)

    async def _detach(self) -> None:
        """End the workers and let go of the TUN device."""
        await self._node.keeper.stop()
        await self._tun.close()

    # ---- joints ----

    def _plugins_changed(self) -> None:
        """Other plugins have a say, may want something of the host, and answer callers."""
        plugins = self._node.plugins
        self._drift.ask(plugins.plan)
        self._authority.use(plugins.opinions(lambda: self._in_force.profile))
        self._operations_changed()

    def _operations_changed(self) -> None:
        """Callers may ask for other things than before."""
        found = self._managing.around(self._audit.around(operations(self._asked())))
        self._operations.clear()
        self._operations |= found

    def _members_changed(self) -> None:
        self._access.peers_changed()
        self._audit.members_changed()

    def _settled(self) -> None:
        """The host is as a changed profile says: what was found out about it no longer holds."""
        self._pressure.limits = Limits.of(self._in_force.profile.limits.pressure)
        self._authority.forget()
        self._loops.forget()
        self._surroundings.look()
        if self._userspace is not None:
            self._userspace.use(self._in_force.profile)
        if self._answering is not None:
            self._node.tasks.spawn(self._managing.use(self._answering.attend), "management")

    def _management_begun(self, part: ManagementPart) -> None:
        self._streams.trace = part.spans.stream
        self._operations_changed()
        self._lifespan.push("management", part.close)

    def _problems(self) -> dict[str, str]:
        refused = "the profile is refused, and the one before it runs: see the log"
        return {
            "profile": refused if self._in_force.fallen_back else "",
            "host": self._drift.problem,
            **({"names": self._names.problem} if self._names.answers else {}),
            **({"policy": self._access.problem} if self._access.restricts else {}),
            **self._managing.problems(),
            **self._audit.problems,
            "control": self._listener.problem,
        }

    def _mesh(self) -> Mesh | None:
        return None if self._node.mesh is None else self._node.mesh.mesh

    def _identity_of(self, peer: str) -> str:
        entry = self._node.peers.table.get(peer)
        return "" if entry is None else entry.identity

    def _certificates(self) -> Mapping[str, Certificate]:
        mesh = self._mesh()
        return {} if mesh is None else mesh.members()

    def _keep_pids(self, pids: Sequence[int]) -> None:
        if pids:
            orphans.remember(self._state_dir, pids)
        else:
            orphans.forget(self._state_dir)

    def _run_short(self, _changes: object) -> None:
        self._node.driver.run_short(self._pressure.worst)

    def _asked(self) -> Asked:
        return Asked(
            shown=self._shown,
            node=self._node,
            reload=self._reload,
            trial=self._trial,
            streams=self._streams,
            follow=self._events.follow,
            stop=lambda: self.stop("asked to by the control socket"),
        )

    # ---- reloads that nobody waits for ----

    def _reload_on_signal(self) -> None:
        if self._node.ready:
            self._node.tasks.spawn(self._reload_quietly(), "reload")

    def _certificate_changed(self) -> None:
        self._node.tasks.spawn(self._take_certificate(), "another certificate")

    async def _take_certificate(self) -> None:
        try:
            await self._reload.take_certificate()
        except ApplianceError as error:
            log.error("what the new certificate brings was not taken over", reason=error.text())  # noqa: TRY400  nobody's bug

    async def _reload_quietly(self) -> None:
        try:
            await self._reload.reload()
        except ApplianceError as error:
            log.error(  # noqa: TRY400  the admin's mistake, not ours
                "the profile was not taken over; the one before stays", reason=error.text()
            )


def _userspace(in_force: InForce) -> UserspaceDevices:
    from appliance.runtime.userspace.devices import UserspaceDevices

    return UserspaceDevices(in_force)


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
