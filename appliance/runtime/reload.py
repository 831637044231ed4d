"""A running daemon takes a changed profile. What it does not touch goes on: sessions, listeners, monitors.

Everything that can say no comes first, and what was done by then is taken back: a profile that cannot be had changes nothing.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from appliance.errors import ApplianceError, ExitCode, HostError, ProfileError
from appliance.foundation import clock
from appliance.foundation.entropy import random_bytes
from appliance.foundation.logging import configure, get_logger
from appliance.linux import memory
from appliance.planning.profile_changes import profile_changes
from appliance.planning.trials import Why
from appliance.plugin_host.installed import enabled
from appliance.plugin_host.trial import try_to_load
from appliance.profile.loading import readings_of
from appliance.runtime import loading, settings
from appliance.runtime.rootless.fitting import fitted
from appliance.runtime.status import profile_status

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.foundation.notify import Notifier
    from appliance.plugin_host import PluginHost
    from appliance.profile.loaded import LoadedProfile
    from appliance.profile.loading import Readings
    from appliance.runtime.audit.part import AuditPart
    from appliance.runtime.host.changer import Changer
    from appliance.runtime.host.changes import Changed
    from appliance.runtime.host.countdown import Countdown
    from appliance.runtime.host.firewalls import Firewalls
    from appliance.runtime.host.trial_keeper import TrialKeeper
    from appliance.runtime.host.tun_queues import Queues
    from appliance.runtime.in_force import InForce
    from appliance.runtime.inside import Inside
    from appliance.runtime.names.names import Names
    from appliance.runtime.node_runtime import NodeRuntime
    from appliance.runtime.policy.access import Access

log = get_logger("reload")

RETRY_EVERY = 0.5
"""Seconds between two attempts to go back while the watchdog of `--confirm-within` is at it."""
RETRIES = 60


class NeedsRestart(ProfileError):
    """The change is one that a running daemon cannot make."""


class Unconfirmed(ApplianceError):
    """An earlier change still awaits its confirmation."""

    exit_code = ExitCode.RETRY
    retryable = True


class PlanMoved(ApplianceError):
    """What was to be applied is not what would be done now: the profile on disk, the host or the node is another."""


class Stop(Protocol):
    """`HostedNode.stop`."""

    def __call__(self, reason: str, code: ExitCode) -> None:
        """End in order, with that exit code."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a change of profile takes: the parts that it changes, and those that it asks or tells."""

    in_force: InForce
    node: NodeRuntime
    names: Names
    access: Access
    audit: AuditPart
    tun: Queues
    inside: Inside
    host: Changer
    trial: TrialKeeper
    countdown: Countdown
    firewalls: Firewalls
    changing: asyncio.Lock
    """Held while the host is being changed."""
    notifier: Notifier
    settled: Callable[[], None]
    """Called when the host is as the new profile says."""
    plugins_changed: Callable[[], None]
    """Called when the list of plugins is another."""
    stop: Stop


class Reload:
    """Changes of profile of one node, one at a time."""

    def __init__(self, parts: Reloaded) -> None:
        self._parts = parts
        self._previous: Profile | None = None
        self._previous_files: tuple[Path, ...] = ()
        self._key = random_bytes(32)
        """Of the names of plans: nobody finds out a secret of the profile by trying, and no plan outlives this process."""

    async def plan(self) -> dict[str, Any]:
        """What `reload` would change, of the profile and of the host, and the plan's `name`. Changes nothing. Raises what
        `reload` would refuse before it changes anything."""
        async with self._parts.changing:
            with memory.growing():
                loaded, plugins = await asyncio.to_thread(self._load, None)
                return await self._planned(loaded, plugins)

    async def reload(
        self,
        given: Mapping[Path, bytes] | None = None,
        *,
        confirm_within: float | None = None,
        admin: str | None = None,
        plan: str | None = None,
    ) -> dict[str, Any]:
        """Bring a profile into force: the one `given` by its files' texts, else what a start would read. `plan`: only if that is
        this plan still. After an ApplianceError nothing changed."""
        async with self._parts.changing:
            with memory.growing():
                return await self._reload(given, confirm_within, admin, plan)

    async def _reload(
        self, given: Mapping[Path, bytes] | None, confirm_within: float | None, admin: str | None, plan: str | None
    ) -> dict[str, Any]:
        parts, in_force = self._parts, self._parts.in_force
        if parts.countdown.runs or parts.countdown.overdue:
            raise Unconfirmed(
                "the last change still awaits its confirmation", hint="run `appliance confirm`, or `appliance rollback`"
            )
        loaded, plugins = await asyncio.to_thread(self._load, given)
        if plan is not None and (await self._planned(loaded, plugins))["name"] != plan:
            raise PlanMoved(
                "what would be done now is not that plan any more", hint="look at the plan as it is now, and have it approved"
            )
        profile = loaded.profile
        before = in_force.profile
        on_trial = confirm_within is not None and profile != before
        if confirm_within is None:
            parts.trial.judge(profile)
        parts.notifier.reloading(clock.monotonic())
        try:
            with parts.trial.opening(profile, confirm_within, before) if confirm_within and on_trial else nullcontext():
                steps = await self._switch(profile, plugins, confirm_within=confirm_within, admin=admin)
        finally:
            parts.notifier.ready("running")
            memory.give_back()  # the text of ten thousand peers and its places are 60 MB
        if profile != before:
            self._previous, self._previous_files = before, in_force.files
        in_force.files = loaded.files
        if confirm_within is not None and on_trial:
            self.await_confirmation(confirm_within)
        if confirm_within is None:
            _keep(lambda: parts.trial.in_force(profile))
        in_force.fallen_back = False
        log.info("profile reloaded", changed=profile != before, steps=len(steps))
        return {
            "steps": list(steps),
            "changed": profile != before or bool(steps),
            "awaits_confirmation": on_trial,
            "profile": profile_status(in_force, parts.trial),
        }

    async def _planned(self, loaded: LoadedProfile, plugins: PluginHost) -> dict[str, Any]:
        parts, before, profile = self._parts, self._parts.in_force.profile, loaded.profile
        _refuse_what_needs_a_restart(before, profile, parts.node.plugins, plugins)
        host = await parts.host.plan(profile, plugins.plan)
        name, changed = await asyncio.to_thread(self._compared, before, loaded, host["steps"])  # of ten thousand peers it is long
        return {"name": name, "files": [str(file) for file in loaded.files], "changed": changed, **host}

    def _compared(self, before: Profile, loaded: LoadedProfile, steps: Any) -> tuple[str, list[dict[str, Any]]]:
        """The name of a plan, and the keys that differ."""
        profile = loaded.profile
        text = json.dumps([profile.model_dump(mode="json"), before.model_dump(mode="json"), steps], sort_keys=True)
        changed = [change._asdict() for change in profile_changes(before, profile, loaded.secrets)]
        return _mac(self._key, text.encode()).hex(), changed

    def _load(self, given: Mapping[Path, bytes] | None) -> tuple[LoadedProfile, PluginHost]:
        """The profile, and the plugins that it names. Raises PluginFault for a new one that cannot be loaded."""
        paths = self._parts.in_force.paths if given is None else list(given)
        readings: Readings = {} if given is None else readings_of(given)
        plugins = loading.changed_plugins(self._parts.node.plugins, paths, readings)
        loaded = loading.load_profile(paths, plugins, readings=readings, exact=given is not None)
        return dataclasses.replace(loaded, profile=fitted(loaded.profile, self._parts.inside)), plugins

    async def take_certificate(self) -> None:
        """This node has another certificate: bring what that brings to host and node. No file of the profile is read again, as
        nobody said that it is finished."""
        from appliance.runtime.members.own_certificate import completed

        parts = self._parts
        async with parts.changing:
            if parts.countdown.runs:
                raise Unconfirmed(
                    "the last change still awaits its confirmation", hint="after that, `appliance apply` takes it over"
                )
            made = completed(parts.in_force.profile, lambda: parts.node.identity.fingerprint, int(clock.wall()))
            if made.problems:
                raise ProfileError("; ".join(problem.message for problem in made.problems), hint=made.problems[0].hint)
            with memory.growing():
                steps = await self._switch(made.profile)
            log.info("took over what this node's certificate brings", steps=len(steps))

    def await_confirmation(self, seconds: float) -> None:
        """Go back by ourselves unless `confirm` is called within `seconds`."""
        self._parts.countdown.begin(seconds, self._expired)

    async def confirm(self) -> dict[str, Any]:
        """Keep what awaits confirmation. Raises HostError when nothing does."""
        async with self._parts.changing:
            if not self._parts.countdown.runs:
                raise _nothing_awaits()
            await self._confirm_host()
            self._parts.trial.confirm(self._parts.in_force.profile)
            self._parts.countdown.end()
            log.info("confirmed")
            return {"confirmed": True}

    async def rollback(self, *, unconfirmed: bool = False) -> dict[str, Any]:
        """Go back to the profile before the last change; the daemon ends, and undoes everything, when there was none.
        `unconfirmed`: only from a change that awaits its confirmation. Raises HostError when none does."""
        async with self._parts.changing:
            if unconfirmed and not (self._parts.countdown.runs or self._parts.countdown.overdue):
                raise _nothing_awaits()
            return await self._go_back()

    async def _go_back(self) -> dict[str, Any]:
        parts = self._parts
        if parts.countdown.runs:
            await self._confirm_host()  # the watchdog leaves it to us
        parts.countdown.end()
        parts.countdown.overdue = False
        previous, self._previous = self._previous, None
        _keep(lambda: parts.trial.roll_back(parts.in_force.profile, previous))
        if previous is None:
            parts.stop("rolled back", ExitCode.WITHHELD)
            return {"stopping": True, "steps": []}
        steps = await self._switch(previous)
        parts.in_force.files = self._previous_files
        log.info("went back to the profile before", steps=len(steps))
        return {"stopping": False, "steps": list(steps)}

    def _expired(self) -> None:
        self._parts.node.tasks.spawn(self._revert(), "unconfirmed change")

    async def _revert(self) -> None:
        parts = self._parts
        log.warning("nobody confirmed the change in time: going back")
        async with self._parts.changing:
            if not parts.countdown.overdue:  # somebody rolled it back in this moment
                return
            parts.countdown.overdue = False
            previous, self._previous = self._previous, None
            _keep(lambda: parts.trial.lapse(Why.UNCONFIRMED))
            if previous is None:
                parts.stop("nobody confirmed it in time", ExitCode.WITHHELD)
                return
            for attempt in range(RETRIES):
                try:
                    await self._switch(previous)
                except ApplianceError as error:
                    if not error.retryable or attempt == RETRIES - 1:
                        parts.stop("going back failed: the next start does it", ExitCode.FAILURE)
                        raise
                    await asyncio.sleep(RETRY_EVERY)  # the watchdog, a process of its own, undoes the host's part
                else:
                    parts.in_force.files = self._previous_files
                    return

    async def _confirm_host(self) -> None:
        try:
            await self._parts.host.confirm()
        except HostError as error:  # only the daemon's own part changed
            log.debug("nothing on the host awaited confirmation", reason=error.message)

    async def _switch(
        self,
        profile: Profile,
        plugins: PluginHost | None = None,
        *,
        confirm_within: float | None = None,
        admin: str | None = None,
    ) -> Sequence[str]:
        """Bring `profile` into force with its `plugins` (found by their names when None).

        On an error the one before is in force as it was."""
        node = self._parts.node
        before = self._parts.in_force.profile
        wanted = plugins
        if wanted is None:
            wanted = await asyncio.to_thread(node.plugins.with_names, enabled(profile.plugins))
        _refuse_what_needs_a_restart(before, profile, node.plugins, wanted)
        if wanted is node.plugins:
            return await self._take_over(before, profile, confirm_within, admin)
        names, lacking = node.plugins.names, node.lacks_in_workers(wanted)
        if lacking:  # there would be no worker at all when it could not import what the profile names
            fresh = [name for name in wanted.names if name not in names]
            await asyncio.to_thread(try_to_load, None, fresh)
        take_back = node.take_plugins(wanted)
        try:
            steps = await self._take_over(before, profile, confirm_within, admin, new_workers=lacking, take_back=take_back)
        except BaseException:
            take_back()
            raise
        await node.settle_plugins(names)
        self._parts.plugins_changed()
        log.info("other plugins", plugins=node.plugins.names, new_workers=lacking)
        return steps

    async def _take_over(
        self,
        before: Profile,
        profile: Profile,
        confirm_within: float | None,
        admin: str | None,
        *,
        new_workers: bool = False,
        take_back: Callable[[], None] = lambda: None,
    ) -> Sequence[str]:
        parts, node = self._parts, self._parts.node
        node.calls.forgive()
        router = node.open_router(profile) if profile.routing != before.routing else None
        try:
            _open_with(node, profile)
            await node.transports.listen_also(profile.server.listen)  # what goes, goes when nothing can say no any more
            await parts.names.open(profile)
            changed = await self._change_host(before, profile, confirm_within, admin, new_workers=new_workers)
        except BaseException:
            take_back()  # before what stands in the profile of before is opened again
            _open_with(node, before)
            await node.transports.listen(before.server.listen)
            await parts.names.use(before)
            if router is not None:
                await router.close()
            raise
        parts.in_force.profile = profile
        parts.settled()
        configure(profile.logging.level, profile.logging.format, node=profile.name)
        await parts.access.use(profile)
        await parts.audit.use(profile)
        await node.use(profile, router)
        await parts.names.use(profile)
        for warning in changed.warnings:
            log.warning(warning)
        parts.firewalls.applied(changed.firewalls)
        return changed.steps

    async def _change_host(
        self, before: Profile, profile: Profile, confirm_within: float | None, admin: str | None, *, new_workers: bool
    ) -> Changed:
        """Apply the plan; where the TUN itself changes, or workers have to import something new, between two workers."""
        parts, node = self._parts, self._parts.node
        # The workers that run could not import the library any more; those that have it may keep it.
        lacks_library = settings.compresses(profile) and not node.keeper.compression
        running = node.keeper.current
        recounted = running is not None and len(running) != settings.workers(profile)
        rebuild = new_workers or recounted or lacks_library or parts.tun.lost() or _tun_key(before) != _tun_key(profile)
        plugins = node.plugins.plan
        if rebuild:
            await parts.host.refuse_impossible(profile, plugins, confirm_within=confirm_within, admin=admin)
            await node.keeper.stop()
            await parts.tun.close()
        try:
            changed = await parts.host.apply(profile, plugins, confirm_within=confirm_within, admin=admin)
        except BaseException:
            if rebuild:
                await node.attach(parts.tun.open(before), before)
            raise
        if rebuild:
            await node.attach(parts.tun.open(profile), profile)
        return changed


def _mac(key: bytes, text: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes, hmac  # the standard library's would load an OpenSSL of its own

    made = hmac.HMAC(key, hashes.SHA256())
    made.update(text)
    return made.finalize()


def _open_with(node: NodeRuntime, profile: Profile) -> None:
    """What transports are opened with from now on."""
    node.transports.datagram_bytes, node.transports.settings = settings.datagram_bytes(profile), profile.transports


def _nothing_awaits() -> HostError:
    hint = "if the time had run out, everything was undone: look with `appliance status`"
    return HostError("nothing awaits confirmation", hint=hint)


def _keep(decision: Callable[[], None]) -> None:
    """Write down what is decided already: a disk that takes nothing is no reason not to go back."""
    try:
        decision()
    except HostError as error:
        log.error(  # noqa: TRY400  the reason is all there is to say
            "the next start will not know what was decided", reason=error.message, hint=error.hint
        )


def _tun_key(profile: Profile) -> tuple[object, ...]:
    """What a worker is bound to from its start."""
    return profile.network.interface, profile.network.offload, profile.limits.sessions


def _refuse_what_needs_a_restart(before: Profile, profile: Profile, plugins: PluginHost, wanted: PluginHost) -> None:
    keeper = plugins.keeper_of_identities(profile.server.identity)
    if keeper is not None and keeper not in wanted.names:
        raise NeedsRestart(
            f"plugin {keeper} keeps this node's identity", hint="leave it in plugins, or change server.identity and restart"
        )
    if moved := plugins.moved(wanted):
        raise NeedsRestart(
            f"another plugin would bring {moved[0]}, which is in use", hint="stop the node and start it with the new profile"
        )
    changes = {
        "server.identity": before.server.identity != profile.server.identity,
        "network.mark": before.network.mark != profile.network.mark,
        "crypto.lab": before.crypto.lab != profile.crypto.lab,
        "mesh.network or mesh.label": _network_of(before) != _network_of(profile),
    }
    changed = [key for key, differs in changes.items() if differs]
    if changed:
        raise NeedsRestart(
            f"a running daemon cannot change {' and '.join(changed)}", hint="stop it and start it with the new profile"
        )


def _network_of(profile: Profile) -> tuple[str, str] | None:
    return None if profile.mesh is None else (profile.mesh.network, profile.mesh.label)
