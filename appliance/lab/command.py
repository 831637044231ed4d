"""`appliance lab`: one lab file, from its first namespace to the last trace of it, whatever interrupts it."""

from __future__ import annotations

import asyncio
import json as json_format
import os
import shlex
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.errors import ApplianceError, ExitCode, ProfileError
from appliance.foundation import clock
from appliance.lab import deeds, interruption, privilege, probing
from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from appliance.lab.loading import load
from appliance.lab.machines.machine import LabFailure
from appliance.lab.machines.namespaced import NamespaceMachine
from appliance.lab.report import Report, hosts_of
from appliance.lab.rig import Namespaces, Rig
from appliance.lab.telling import Progress, Story, Teller

NAMESPACES: Final = "namespaces"
VMS: Final = "vms"
"""What the hosts of a lab can be, besides those of an ssh_config."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a lab is run."""

    json: bool = False
    """Print one document instead of text."""
    keep: bool = False
    """Leave the hosts running until Ctrl-C."""
    story: bool = False
    """Tell each step."""
    probe: str | None = None
    """The kind or the name of the only probes to run; None: all."""
    on: str = NAMESPACES
    """What the hosts are: `namespaces`, `vms`, `vms:RELEASE`, `vms:RELEASE/ARCHITECTURE`, or a file, an ssh_config."""
    package: Path | None = None
    """The Debian package for hosts that are none of our namespaces; None: the newest that fits in `dist`."""

    def words(self) -> list[str]:
        """The options as they are typed, for namespaces."""
        flags = [f"--{name}" for name in ("json", "keep", "story") if getattr(self, name)]
        return flags + (["--probe", self.probe] if self.probe else [])


def run(path: Path, options: Options) -> int:
    """Run a lab file and return the exit code. Raises LabInvalid, MissingPrivilege."""
    definition = load(path)
    if options.probe is not None and not probing.questions(definition, options.probe):
        names = dict.fromkeys(asked.name for asked in probing.questions(definition))
        raise ProfileError(f"{path} has no probe {options.probe}", hint=f"there are: {', '.join(names) or 'none'}")
    rig = _rig(path, options)
    teller: Teller = Story() if options.story and not options.json else Progress(definition.name)
    report = Report(definition.name)
    with interruption.raised():
        rig.prepare(definition, lambda line: _note(f"lab {definition.name}: {line}"))
    number = asyncio.run(_Run(definition, rig, options, teller, report).whole())
    if options.json:
        sys.stdout.write(json_format.dumps(report.document(), indent=2, ensure_ascii=False) + "\n")
    elif not options.story:
        sys.stdout.write(report.text() + "\n")
    if number is not None and not (options.keep and number == signal.SIGINT):
        return 128 + number
    return ExitCode.OK if report.ok else ExitCode.FAILURE


def _rig(path: Path, options: Options) -> Rig:
    """Raises ProfileError, MissingPrivilege."""
    if options.on == NAMESPACES:
        privilege.ensure(["lab", str(path.resolve()), *options.words()])
        return Namespaces()
    from appliance.lab.guest_rig import Guests
    from appliance.lab.packages import Packages
    from appliance.lab.ssh_hosts import SshHosts

    packages = Packages([options.package] if options.package is not None else [])
    if options.on == VMS or options.on.startswith(f"{VMS}:"):
        privilege.ensure_root("virtual machines")
        return Guests.named(options.on.removeprefix(VMS).removeprefix(":"), packages)
    config = Path(options.on)
    if not config.is_file():
        raise ProfileError(f"there is no file {config}", hint=f"--on takes {NAMESPACES}, {VMS} or an ssh_config")
    return SshHosts(config, packages)


def _way_in(host: Host) -> str:
    """What a person types to look around on a host."""
    if not isinstance(host.machine, NamespaceMachine):
        return shlex.join([*host.machine.enter(["appliance", "status"])])
    inside = privilege.INSIDE in os.environ
    prefix = f"nsenter --preserve-credentials --user --mount --target {os.getpid()} " if inside else ""
    return f"{prefix}ip netns exec {host.machine.namespace.name} appliance status"


class _Run:
    """One run, and the signal that ended it early, if one did."""

    def __init__(self, definition: LabFile, rig: Rig, options: Options, teller: Teller, report: Report) -> None:
        self._lab = Lab(definition, start=False, rig=rig)
        self._options = options
        self._teller = teller
        self._report = report
        self._interrupted_by: signal.Signals | None = None

    async def whole(self) -> signal.Signals | None:
        """Build, probe and remove everything. The signal that ended it early; None if none did."""
        self._listen_to_signals()
        try:
            async with self._lab:
                await self._steps()
        except asyncio.CancelledError:
            if not self._options.keep:
                self._report.problem = "interrupted"
        except ApplianceError as error:
            self._report.problem = error.message
            _note(f"error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else ""))
        self._report.left_behind = self._lab.left_behind or []
        self._report.logs = str(self._lab.kept_logs) if self._lab.kept_logs else None
        self._teller.ended(self._report)
        return self._interrupted_by

    async def _steps(self) -> None:
        lab, teller = self._lab, self._teller
        teller.built(lab)
        if teller.wants_plans and lab.definition.mesh is None:
            first = next(iter(lab.hosts.values()))
            plan = await first.appliance("plan", first.profile)
            if plan.code != ExitCode.CHANGES_PENDING:
                raise LabFailure(f"`appliance plan` ended with {plan.code}: {plan.err.strip()}")
            teller.planned(first.name, plan.out)
        begun = clock.monotonic()
        await lab.begin()
        await lab.wait_for_sessions()
        self._report.seconds_to_sessions = round(clock.monotonic() - begun, 3)
        teller.connected(lab, self._report.seconds_to_sessions)
        for asked in probing.questions(lab.definition, self._options.probe):
            await self._ask(asked)
        if self._options.probe is None:
            await self._play()
        self._report.hosts = hosts_of(lab)
        if not self._report.ok:
            lab.keep_logs()
        if self._options.keep:
            await self._stay()

    async def _play(self) -> None:
        for step in self._lab.definition.steps:
            if step.do is not None:
                self._teller.did(step.do, await deeds.do(self._lab, step))
                continue
            for asked in probing.asked_by(self._lab.definition, step.as_probe()):
                await self._ask(asked)

    async def _ask(self, asked: probing.Asked) -> None:
        result = await probing.ask(self._lab, asked)
        self._report.results.append(result)
        self._teller.probed(result)

    async def _stay(self) -> None:
        for host in self._lab.hosts.values():
            _note(f"{host.name}: {_way_in(host)}")
        _note("the hosts stay until Ctrl-C")
        await asyncio.Event().wait()

    def _listen_to_signals(self) -> None:
        task = asyncio.current_task()
        assert task is not None

        def interrupt(number: signal.Signals) -> None:
            if self._interrupted_by is None:
                self._interrupted_by = number
                _note("removing the lab …")
                task.cancel()
            else:
                _note("still removing the lab, nothing would be gained by leaving it half-way")

        for number in interruption.not_ignored():
            asyncio.get_running_loop().add_signal_handler(number, interrupt, number)


def _note(text: str) -> None:
    with suppress(OSError):  # a terminal that is gone stops no lab
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
