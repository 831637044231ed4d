"""A running daemon takes a changed profile. What it does not touch goes on: sessions, listeners, monitors.

Everything that can say no comes first, and what was done by then is taken back: a profile that cannot be had changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.errors import ApplianceError, ExitCode, HostError, ProfileError
from appliance.foundation import clock
from appliance.foundation.logging import configure, get_logger
from appliance.linux import memory
from appliance.planning.trials import Why
from appliance.profile.loading import readings_of
from appliance.runtime import preparing
from appliance.runtime.host import changes
from appliance.runtime.status import profile_status

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.profile.loaded import LoadedProfile
    from appliance.runtime.composition import Daemon

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


class Reload:
    """Changes of profile of one daemon, one at a time."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.lock = asyncio.Lock()
        """Held while the host is being changed."""
        self._previous: Profile | None = None
        self._previous_files: tuple[Path, ...] = ()
        self._deadline: asyncio.TimerHandle | None = None
        self._overdue = False
        """The time has run out, and going back has not begun."""

    def seconds_to_confirm(self, now: float) -> float | None:
        """How long there is to confirm, None when nothing awaits it."""
        return None if self._deadline is None else max(0.0, round(self._deadline.when() - now, 1))

    async def reload(
        self, given: Mapping[Path, bytes] | None = None, *, confirm_within: float | None = None, admin: str | None = None
    ) -> dict[str, Any]:
        """Bring a profile into force: the one `given` by its files' texts, else what a start would read. After an ApplianceError
        nothing changed."""
        async with self.lock:
            with memory.growing():
                return await self._reload(given, confirm_within, admin)

    async def _reload(
        self, given: Mapping[Path, bytes] | None, confirm_within: float | None, admin: str | None
    ) -> dict[str, Any]:
        daemon = self._daemon
        if self._deadline is not None or self._overdue:
            raise Unconfirmed(
                "the last change still awaits its confirmation", hint="run `appliance confirm`, or `appliance rollback`"
            )
        loaded = await asyncio.to_thread(self._load, given)
        profile = loaded.profile
        before = daemon.profile
        on_trial = confirm_within is not None and profile != before
        if confirm_within is None:
            daemon.trial.judge(profile)
        daemon.notifier.reloading(clock.monotonic())
        try:
            with daemon.trial.opening(profile, confirm_within, before) if confirm_within and on_trial else nullcontext():
                steps = await self._switch(profile, confirm_within=confirm_within, admin=admin)
        finally:
            daemon.notifier.ready("running")
            memory.give_back()  # the text of ten thousand peers and its places are 60 MB
        if profile != before:
            self._previous, self._previous_files = before, daemon.files
        daemon.files = loaded.files
        if confirm_within is not None and on_trial:
            self.await_confirmation(confirm_within)
        if confirm_within is None:
            _keep(lambda: daemon.trial.in_force(profile))
        daemon.fallen_back = False
        log.info("profile reloaded", changed=profile != before, steps=len(steps))
        return {
            "steps": list(steps),
            "changed": profile != before or bool(steps),
            "profile": profile_status(daemon),
        }

    def _load(self, given: Mapping[Path, bytes] | None) -> LoadedProfile:
        daemon = self._daemon
        if given is None:
            return preparing.load_profile(daemon.paths, daemon.plugins)
        return preparing.load_profile(list(given), daemon.plugins, readings=readings_of(given), exact=True)

    def await_confirmation(self, seconds: float) -> None:
        """Go back by ourselves unless `confirm` is called within `seconds`."""
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._expired)

    async def confirm(self) -> dict[str, Any]:
        """Keep what awaits confirmation. Raises HostError when nothing does."""
        async with self.lock:
            if self._deadline is None:
                raise HostError(
                    "nothing awaits confirmation",
                    hint="if the time had run out, everything was undone: look with `appliance status`",
                )
            await self._confirm_host()
            self._daemon.trial.confirm(self._daemon.profile)
            self._forget_deadline()
            log.info("confirmed")
            return {"confirmed": True}

    async def rollback(self) -> dict[str, Any]:
        """Go back to the profile before the last change; the daemon ends, and undoes everything, when there was none."""
        async with self.lock:
            return await self._go_back()

    async def _go_back(self) -> dict[str, Any]:
        daemon = self._daemon
        if self._deadline is not None:
            await self._confirm_host()  # the watchdog leaves it to us
        self._forget_deadline()
        self._overdue = False
        previous, self._previous = self._previous, None
        _keep(lambda: daemon.trial.roll_back(daemon.profile, previous))
        if previous is None:
            daemon.stop("rolled back", ExitCode.WITHHELD)
            return {"stopping": True, "steps": []}
        steps = await self._switch(previous)
        daemon.files = self._previous_files
        log.info("went back to the profile before", steps=len(steps))
        return {"stopping": False, "steps": list(steps)}

    def _expired(self) -> None:
        self._deadline, self._overdue = None, True
        self._daemon.tasks.spawn(self._revert(), "unconfirmed change")

    async def _revert(self) -> None:
        log.warning("nobody confirmed the change in time: going back")
        async with self.lock:
            if not self._overdue:  # somebody rolled it back in this moment
                return
            self._overdue = False
            previous, self._previous = self._previous, None
            _keep(lambda: self._daemon.trial.lapse(Why.UNCONFIRMED))
            if previous is None:
                self._daemon.stop("nobody confirmed it in time", ExitCode.WITHHELD)
                return
            for attempt in range(RETRIES):
                try:
                    await self._switch(previous)
                except ApplianceError as error:
                    if not error.retryable or attempt == RETRIES - 1:
                        self._daemon.stop("going back failed: the next start does it", ExitCode.FAILURE)
                        raise
                    await asyncio.sleep(RETRY_EVERY)  # the watchdog, a process of its own, undoes the host's part
                else:
                    self._daemon.files = self._previous_files
                    return

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    async def _confirm_host(self) -> None:
        from appliance.apply import engine

        try:
            await engine.confirm(self._daemon.state_dir)
        except HostError as error:  # only the daemon's own part changed
            log.debug("nothing on the host awaited confirmation", reason=error.message)

    async def _switch(self, profile: Profile, *, confirm_within: float | None = None, admin: str | None = None) -> Sequence[str]:
        """Bring `profile` into force. On an error the one before is in force as it was."""
        daemon = self._daemon
        before = daemon.profile
        _refuse_what_needs_a_restart(before, profile)
        daemon.calls.forgive()
        router = daemon.open_router(profile) if profile.routing != before.routing else None
        daemon.transports.datagram_bytes = preparing.datagram_bytes(profile)
        await daemon.transports.listen_also(profile.server.listen)  # what goes, goes when nothing can say no any more
        try:
            changed = await self._change_host(before, profile, confirm_within, admin)
        except BaseException:
            daemon.transports.datagram_bytes = preparing.datagram_bytes(before)
            await daemon.transports.listen(before.server.listen)
            raise
        daemon.profile = profile
        await daemon.transports.listen(profile.server.listen)
        daemon.loops.forget()
        daemon.surroundings.look()
        self._use_at_once(profile)
        daemon.forwarding.use(profile, router)
        daemon.push_routes()
        if preparing.scheduling(before) != preparing.scheduling(profile):
            daemon.push_qos()
        daemon.driver.update(daemon.node_settings(profile), profile.crypto.rotate.bytes)
        if daemon.discovery.given_up or (before.discovery, before.peers) != (profile.discovery, profile.peers):
            await daemon.discovery.restart(profile)
        await daemon.monitors.use(profile.monitoring)
        for warning in changed.warnings:
            log.warning(warning)
        return changed.steps

    async def _change_host(
        self, before: Profile, profile: Profile, confirm_within: float | None, admin: str | None
    ) -> changes.Changed:
        """Apply the plan; where the TUN itself changes, between two workers."""
        daemon = self._daemon
        # The workers that run could not import the library any more; those that have it may keep it.
        lacks_library = preparing.compresses(profile) and not daemon.keeper.compression
        running = daemon.keeper.current
        recounted = running is not None and len(running) != preparing.workers(profile)
        rebuild = recounted or lacks_library or daemon.has_lost_tun() or _tun_key(before) != _tun_key(profile)
        if rebuild:
            await changes.refuse_impossible(
                profile, daemon.state_dir, daemon.plugins.plan, confirm_within=confirm_within, admin=admin
            )
            await daemon.detach()
        try:
            changed = await changes.apply(
                profile, daemon.state_dir, daemon.plugins.plan, confirm_within=confirm_within, admin=admin
            )
        except BaseException:
            if rebuild:
                await daemon.attach(before)
            raise
        if rebuild:
            await daemon.attach(profile)
        return changed

    def _use_at_once(self, profile: Profile) -> None:
        daemon = self._daemon
        daemon.figures.name, daemon.figures.scheduled = profile.name, profile.qos is not None
        configure(profile.logging.level, profile.logging.format, node=profile.name)


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


def _refuse_what_needs_a_restart(before: Profile, profile: Profile) -> None:
    changes = {
        "plugins": before.plugins != profile.plugins,
        "server.identity": before.server.identity != profile.server.identity,
        "network.mark": before.network.mark != profile.network.mark,
        "crypto.lab": before.crypto.lab != profile.crypto.lab,
    }
    changed = [key for key, differs in changes.items() if differs]
    if changed:
        raise NeedsRestart(
            f"a running daemon cannot change {' and '.join(changed)}", hint="stop it and start it with the new profile"
        )
