"""Notices when the host is no longer as the profile says, and brings back what is the node's own.

The kernel's reports say that something may have changed. A forked child then looks at the host with the planner: an empty plan
means that all is there. What is missing is a problem in `status`; with `host: {drift: repair}` a child carries the plan out,
through the undo journal like any other. Who takes the same away again and again wins after a few rounds: it is only reported
then.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from appliance.errors import ApplianceError, HostError, PluginFault
from appliance.foundation import clock, places
from appliance.foundation.logging import get_logger, once_per
from appliance.foundation.tasks import Tasks
from appliance.linux import resolv_conf, sysctl
from appliance.linux.events import HostEvents
from appliance.planning.contributions import asked_settings, table_of
from appliance.planning.ledger import Ledger
from appliance.planning.naming import naming
from appliance.planning.own import Owner
from appliance.planning.wanted import wanted
from appliance.runtime.host import changes
from appliance.runtime.host.countdown import Countdown
from appliance.runtime.host.firewalls import Firewalls
from appliance.runtime.host.repairs import PAUSES, WINDOW, Repairs
from appliance.runtime.host.tun_queues import Queues
from appliance.runtime.in_force import InForce
from appliance.runtime.inside import HERE, Inside

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.planning.contributions import Contributors

log = get_logger("host")

GATHER: Final = 0.2
"""Seconds from a report to the look: one change is often several reports."""
REST: Final = 1.5
"""Seconds between two looks, of which each takes 0.15 s of CPU: on a host that changes all day they are a tenth of a core."""
RESTS: Final = 4
"""With thousands of peers a look takes longer, and is followed by a pause of so many times that."""
PATIENCE: Final = 60.0
"""Seconds for a look or a repair; one of a hundred steps takes two."""
DEVICE: Final = ("the TUN device",)
TICK: Final = 1.0
"""Seconds between two looks at /etc/resolv.conf and the settings below /proc/sys/net, which are changed without a report."""
FIREWALLS_GATHER: Final = 2.0
"""Seconds from a change of others' firewalls to the look: they are set up by dozens of commands."""
FIREWALLS_REST: Final = 20.0
"""Seconds between two looks for their sake alone: on a host that starts containers all day they take a hundredth of a core."""
REFUSED: Final = ("the look",)
"""What is missing where that could not be found out."""
REPORTERS: Final = 2
"""rtnetlink, and nftables where the process may hear it."""
SAID_EVERY: Final = 60.0
SHOWN: Final = 5
"""Missing things that are named in one line."""


class Drift:
    """Watches over one node's host. `problem` is what is wrong, "" when all is well; `missing` a line for each thing.

    `plugins` may want something of the host, `changing` is held by whoever changes the host, `on_addresses()` is called when an
    address of the host came or went, `try_again()` when the host was looked at, and `restored()` when something was brought back.
    `firewalls` hears what those of others are in the way of.
    """

    def __init__(
        self,
        in_force: InForce,
        tun: Queues,
        plugins: Contributors,
        state_dir: Path,
        changing: asyncio.Lock,
        countdown: Countdown,
        on_addresses: Callable[[], None],
        try_again: Callable[[], None],
        inside: Inside = HERE,
        restored: Callable[[], None] = lambda: None,
        firewalls: Firewalls | None = None,
    ) -> None:
        self._in_force = in_force
        self._tun = tun
        self._plugins = plugins
        self._state_dir = state_dir
        self._changing = changing
        self._countdown = countdown
        self._on_addresses = on_addresses
        self._try_again = try_again
        self._inside = inside
        self._restored = restored
        self._firewalls = firewalls or Firewalls()
        self._tasks = Tasks()
        self._events: HostEvents | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._settings: dict[str, str | None] = {}
        self._asked: tuple[str, ...] = ()
        self._asked_of: Profile | None = None
        self._repairs = Repairs()
        self._not_before = 0.0
        self._firewalls_not_before = 0.0
        self._unread = False
        self._left = False
        self.missing: tuple[str, ...] = ()
        self.problem = ""
        self.repaired = 0

    def ask(self, plugins: Contributors) -> None:
        """Others may want something of the host from now on."""
        self._plugins = plugins

    def start(self) -> None:
        """The host is as the profile says: begin to watch it."""
        core = Owner.of(places.instance_of(self._state_dir)).table
        tables = [core, *(table_of(plugin, core) for plugin in self._plugins.names)]
        names = [table.split()[1] for table in tables]
        self._events = self._inside.call(HostEvents, names, self._tun.interface, self._on_addresses)
        loop = asyncio.get_running_loop()
        for descriptor in self._events.filenos():
            loop.add_reader(descriptor, self._heard)
        if len(self._events.filenos()) < REPORTERS:
            log.warning("changes of nftables are not reported to this process: it lacks CAP_NET_ADMIN")
        self._tick()

    def settle(self) -> None:
        """The node is ready: what was reported until now was its own doing, and checked step by step."""
        if self._events is not None:
            self._events.changed()
        if "look" in self._timers and not self._unread:
            self._timers.pop("look").cancel()

    async def close(self) -> None:
        """Watch no more; a repair that has begun is finished first."""
        for timer in self._timers.values():
            timer.cancel()
        if self._events is not None:
            for descriptor in self._events.filenos():
                asyncio.get_running_loop().remove_reader(descriptor)
            self._events.close()
            self._events = None
        async with self._changing:
            await self._tasks.close()

    # ---- noticing ----

    def _heard(self) -> None:
        if self._events is None:
            return
        if self._events.changed():
            self._soon(GATHER)
        if self._events.firewalls_changed() and wanted(self._in_force.profile, Ledger()).ruleset:
            self._soon_at_firewalls()

    def on_tun_lost(self, number: int) -> None:
        """A worker cannot read the device, for that errno (0: it gives nothing)."""
        if times := once_per(SAID_EVERY, "TUN lost"):
            log.warning("the TUN device cannot be read", errno=number, times=times)
        self._unread = True
        self._soon(GATHER)

    def _tick(self) -> None:
        self._timers["tick"] = asyncio.get_running_loop().call_later(TICK, self._tick)
        profile = self._in_force.profile
        if self._asked_of is not profile:
            self._asked_of = profile
            self._tasks.spawn(self._ask_plugins(profile), "ask plugins for their settings")
        settings: dict[str, str | None] = self._inside.call(_settings, (*wanted(profile, Ledger()).sysctls, *self._asked))
        if naming(profile) is not None:
            settings[str(resolv_conf.FILE)] = str(resolv_conf.state())
        if settings != self._settings:
            first, self._settings = not self._settings, settings
            if not first:
                self._soon(0.0)

    async def _ask_plugins(self, profile: Profile) -> None:
        try:
            asked = await asyncio.to_thread(self._plugins.observe, profile)
            self._asked = tuple(asked_settings(asked))
        except PluginFault as fault:  # it is on the plugin's account
            log.debug("a plugin does not say which settings matter to it", reason=fault.message)

    def _soon(self, seconds: float) -> None:
        """Look in so many seconds, unless that is planned already."""
        if "look" not in self._timers and self._events is not None:
            wait = max(seconds, self._not_before - clock.monotonic())
            self._timers["look"] = asyncio.get_running_loop().call_later(wait, self._begin_look)

    def _soon_at_firewalls(self) -> None:
        if "firewalls" not in self._timers:
            wait = max(FIREWALLS_GATHER, self._firewalls_not_before - clock.monotonic())
            self._timers["firewalls"] = asyncio.get_running_loop().call_later(wait, self._look_at_firewalls)

    def _look_at_firewalls(self) -> None:
        del self._timers["firewalls"]
        self._firewalls_not_before = clock.monotonic() + FIREWALLS_REST
        self._soon(0.0)

    def _begin_look(self) -> None:
        del self._timers["look"]
        self._tasks.spawn(self._look(), "look at the host", lambda error: log.error("looking at the host failed", error=error))

    # ---- looking ----

    async def _look(self) -> None:
        async with self._changing:
            if self._events is None:
                return
            began = clock.monotonic()
            self._try_again()
            try:
                await self._judge()
            except (ApplianceError, OSError) as error:
                self._say(
                    f"it cannot be looked at or brought back: {error.message if isinstance(error, ApplianceError) else error}"
                )
                self._try_later()
            now = clock.monotonic()
            self._not_before = now + max(REST, RESTS * (now - began))

    async def _judge(self) -> None:
        if self._may_repair():
            await self._leave_lost_device()
        seen = await self._child("look")
        self.missing = seen.steps
        self._firewalls.seen(seen.firewalls)
        if not self.missing:
            self._say("")
        elif not self._may_repair():
            self._say(self._missing_text())
        else:
            await self._repair()
        self._reattach()

    async def _leave_lost_device(self) -> None:
        """Let go of a device that was renamed or moved away: it would be in the way of the new one."""
        now = clock.monotonic()
        if not self._left and self._tun.lost() and self._repairs.wait(DEVICE, now) == 0.0:
            self._repairs.tried(DEVICE, now)
            self._left = True
            await self._tun.let_go()

    def _reattach(self) -> None:
        """Give the workers the device again, when theirs is another one, or gave nothing for a moment."""
        if self._tun.lost():
            if self._tun.is_there(self._tun.interface):
                self._tun.reopen()
        elif self._unread:
            self._tun.keep()
        self._unread = False
        self._left = self._left and self._tun.lost()

    async def _repair(self) -> None:
        now, text = clock.monotonic(), self._missing_text()
        wait = self._repairs.wait(self.missing, now)
        if wait is None:
            by = f", last by {self._author()}" if self._author() else ""
            again = f"brought back {len(PAUSES)} times within {WINDOW / 60:.0f} minutes and taken away again{by}"
            self._say(f"{text}; {again}: left to the admin")
            return
        self._say(text)
        if wait > 0:
            self._soon(wait)
            return
        self._repairs.tried(self.missing, now)
        changed = await self._child("repair")
        self.missing = ()
        self.repaired += len(changed.steps)
        self._restored()
        self._say("")
        log.warning("brought back what was missing on the host", steps=len(changed.steps), changed_by=self._author() or "unknown")
        if self._events is not None:
            self._events.author = ""

    async def _child(self, deed: str) -> changes.Changed:
        child = changes.Child(self._in_force.profile, self._plugins, self._inside)
        if self._events is not None:
            self._events.ours = {os.getpid(), child.pid}
            self._events.interface = self._tun.interface
        try:
            child.tell(self._state_dir, confirm_within=None, admin=None, give_up=False, deed=deed)
            async with asyncio.timeout(PATIENCE):
                return await child.result(self._tun.reopen)
        except TimeoutError:
            raise HostError(f"it took longer than {PATIENCE:.0f} s", hint="look for a command that hangs, as nft") from None
        finally:
            child.kill()  # unless it has said all and ended
            await child.gone()

    def _may_repair(self) -> bool:
        return self._in_force.profile.host.drift == "repair" and not self._countdown.runs

    def _try_later(self) -> None:
        """The host refused a look or a repair: it may be that another command is changing it."""
        now = clock.monotonic()
        self._repairs.tried(self.missing or REFUSED, now)
        wait = self._repairs.wait(self.missing or REFUSED, now)
        if wait is not None:
            self._soon(max(wait, GATHER))

    # ---- telling ----

    def _missing_text(self) -> str:
        named = ", ".join(self.missing[:SHOWN])
        more = len(self.missing) - SHOWN
        return f"missing: {named}" + (f" and {more} more" if more > 0 else "")

    def _say(self, problem: str) -> None:
        if problem and problem != self.problem:
            log.warning("the host is not as the profile says", reason=problem)
        self.problem = problem

    def _author(self) -> str:
        return "" if self._events is None else self._events.author


def _settings(keys: Iterable[str]) -> dict[str, str | None]:
    return {key: _setting(key) for key in keys}


def _setting(key: str) -> str | None:
    try:
        return sysctl.read(key)
    except ApplianceError:
        return None
