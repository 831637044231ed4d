"""The node of a host with a system of its own: the service of the Debian package, under systemd."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from appliance.errors import HostError
from appliance.lab.machines.machine import LabFailure, Machine, Service

UNIT: Final = "appliance.service"
PROFILE: Final = Path("/etc/appliance/profile.yaml")
NO_RESTART: Final = Path("/run/systemd/system/appliance.service.d/50-lab.conf")
"""Keeps a killed node dead, as one without power is, until it is started again."""
_GONE: Final = {"inactive", "failed"}


class Unit(Service):
    """`systemctl … appliance` on a machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._started = False
        self._kept_dead = False

    def start(self) -> None:
        """Enabled as well, so that it is there after a loss of power."""
        if self._kept_dead:
            self._systemctl_after(f"rm -f {NO_RESTART} && systemctl daemon-reload")
        try:
            self._machine.told(["systemctl", "enable", "--quiet", UNIT])
            self._machine.told(["systemctl", "start", "--no-block", UNIT])
        except HostError as error:
            raise LabFailure(f"the node on {self._machine.name} does not start: {error.message}") from error
        self._started = True

    @property
    def runs(self) -> bool:
        """As systemd says it."""
        return self._started and not self._is_gone

    @property
    def ended(self) -> str | None:
        """With what systemd says of it."""
        if not self._started or not self._is_gone:
            return None
        return f"with {self._show('ExecMainStatus')} ({self._show('Result')})"

    async def stop(self) -> str | None:
        """By `systemctl stop`, which kills what does not end in time, and says so."""
        await asyncio.to_thread(self._machine.told, ["systemctl", "stop", UNIT])
        result = self._show("Result")
        return None if result == "success" else f"ended with {self._show('ExecMainStatus')} ({result})"

    def kill(self) -> None:
        """By SIGKILL, and it stays dead."""
        drop_in = f"mkdir -p {NO_RESTART.parent} && printf '[Service]\\nRestart=no\\n' >{NO_RESTART} && systemctl daemon-reload"
        self._systemctl_after(f"{drop_in} && systemctl kill --signal=KILL {UNIT}")
        self._kept_dead = True

    def log_text(self) -> str:
        """Of this boot and those before; nothing if it was not started: what else is there is another node's."""
        if not self._started:
            return ""
        return self._machine.told(["journalctl", "--no-pager", "--output=cat", f"--unit={UNIT}"])

    def forget(self, *, enabled: bool = False) -> None:
        """Remove what `kill` left, and have it as it was: enabled, or not. Works without a unit too. Raises HostError."""
        disable = "" if enabled else f"systemctl disable --quiet {UNIT}; "
        clean = f"rm -f {NO_RESTART}; rmdir {NO_RESTART.parent}; systemctl daemon-reload; systemctl reset-failed {UNIT}"
        self._machine.told(["sh", "-c", f"{{ {disable}{clean}; }} 2>/dev/null || true"])

    @property
    def _is_gone(self) -> bool:
        """Has it ended, with nothing under way that starts it? A start that systemd has queued is such a thing."""
        told = self._machine.told(["systemctl", "show", "--property", "ActiveState,Job", UNIT])
        found = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
        return found.get("ActiveState") in _GONE and found.get("Job", "") in ("", "0")

    def _systemctl_after(self, script: str) -> None:
        try:
            self._machine.told(["sh", "-c", script])
        except HostError as error:
            raise LabFailure(error.message) from error
        self._kept_dead = False

    def _show(self, name: str) -> str:
        return self._machine.told(["systemctl", "show", "--property", name, "--value", UNIT]).strip()
