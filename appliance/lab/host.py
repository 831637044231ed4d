"""One host of a running lab: the node on its machine, and what can be done with both."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from appliance.api.values import Interface
from appliance.control import client
from appliance.errors import ApplianceError, HostError, NoDaemon
from appliance.lab.definition import HostEntry
from appliance.lab.machines.machine import LOG_TAIL_LINES, Done, LabFailure, Machine
from appliance.lab.machines.namespaced import NamespaceMachine, NodeProcess
from appliance.lab.namespace import Namespace

_LOOKS: Final = {
    "interfaces": ("ip", "-o", "addr"),
    "routes": ("ip", "route", "show", "table", "all"),
    "IPv6 routes": ("ip", "-6", "route", "show", "table", "all"),
    "rules": ("ip", "rule"),
    "IPv6 rules": ("ip", "-6", "rule"),
    "firewall": ("nft", "list", "ruleset"),
}
_PASSING: Final = (
    (re.compile(r"\b\d+sec\b"), "… sec"),  # how long a leased address or a router's route is still good for
    (re.compile(r"^\d+: (?=\S+ +inet)", re.MULTILINE), ""),  # the number of an interface, another one at each boot
)
"""What is another today than yesterday without anybody's doing."""


class Host:
    """A host, as tests and probes see it. The lab makes it."""

    def __init__(self, name: str, entry: HostEntry, machine: Machine) -> None:
        self.name = name
        self.entry = entry
        self.machine = machine
        self.addresses: tuple[Interface, ...] = entry.addresses
        """Inside the overlay."""
        self.identity = ""
        self.overlay_name = ""
        """NAME.LABEL in a network of members."""
        self._before: dict[str, str] = {}

    def address(self, version: int) -> str | None:
        """Its first overlay address of an IP version."""
        return next((str(address.ip) for address in self.addresses if address.version == version), None)

    # --- files and programs on this host --------------------------------------------------------------------------------------

    @property
    def profile(self) -> Path:
        """On this host: the profile that its node runs."""
        return self.machine.profile

    @property
    def identity_file(self) -> Path:
        """On this host: the secret identity of its node."""
        return self.machine.identity

    def add_to_profile(self, text: str) -> None:
        """Write more at the end of the profile. Raises HostError."""
        self.machine.put(self.profile, self.machine.get(self.profile) + text.encode())

    def enter(self, words: Sequence[str | Path]) -> list[str]:
        """The command line that runs `words` on this host."""
        return self.machine.enter(words)

    def environ(self) -> dict[str, str]:
        """The variables that such a command line is to have."""
        return self.machine.environ()

    async def run(self, words: Sequence[str | Path], *, timeout: float | None = None, stdin: bytes | None = None) -> Done:
        """Run a program to its end: see `Machine.run`."""
        return await self.machine.run(words, timeout=timeout, stdin=stdin)

    async def appliance(self, *words: str | Path, timeout: float | None = None) -> Done:
        """Run an `appliance` command on this host."""
        return await self.machine.run([*self.machine.appliance, *words], timeout=timeout)

    # --- where the host is a namespace ----------------------------------------------------------------------------------------

    @property
    def namespace(self) -> Namespace:
        """The network namespace that it is."""
        return self._as_namespace.namespace

    @property
    def directory(self) -> Path:
        """The directory that is its own."""
        return self._as_namespace.directory

    @property
    def state_dir(self) -> Path:
        """Where its node keeps the undo journal."""
        return self._as_namespace.state_dir

    @property
    def log(self) -> Path:
        """The file with what its node printed, in all its runs."""
        return self._process.log

    @property
    def node(self) -> subprocess.Popen[bytes] | None:
        """The process of its node, once there was one."""
        return self._process.process

    @property
    def _process(self) -> NodeProcess:
        return self._as_namespace.service

    @property
    def _as_namespace(self) -> NamespaceMachine:
        assert isinstance(self.machine, NamespaceMachine), f"{self.machine.place} is no namespace"
        return self.machine

    # --- its node -------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the node. It is not ready yet when this returns."""
        self._before = self._before or self.seen()
        self.machine.service.start()

    @property
    def runs(self) -> bool:
        """Is there a process of the node?"""
        return self.machine.service.runs

    def ask(self, op: str, args: Mapping[str, Any] | None = None, *, timeout: float = 10.0) -> Any:
        """Ask the node over its control socket. Raises what `client.call` raises."""
        return self.machine.ask(op, args, timeout=timeout)

    def status(self) -> dict[str, Any] | None:
        """What `appliance status --json` shows; None while nobody answers. Raises LabFailure if the node has ended."""
        try:
            answer: dict[str, Any] = self.ask("status")
        except NoDaemon:
            self._must_not_have_ended()
            return None
        except client.ControlError as error:
            if error.retryable:
                return None
            raise
        return answer

    def _must_not_have_ended(self) -> None:
        if (how := self.machine.service.ended) is not None:
            raise LabFailure(f"the node on {self.name} ended {how}:\n{self.log_tail()}")

    def sessions(self) -> dict[str, dict[str, Any]]:
        """The active sessions, by peer; empty while nobody answers."""
        status = self.status() or {}
        return {session["peer"]: session for session in status.get("sessions", ()) if session.get("state", "active") == "active"}

    def troubles(self) -> list[str]:
        """A sentence for each plugin of its node that is not well; empty also while nobody answers."""
        try:
            facts = self.ask("plugins")
        except ApplianceError:
            return []
        return [f"plugin {fact['name']}: {fact['problem']}" for fact in facts if fact["state"] != "active"]

    def kill(self) -> None:
        """Kill every process of the node, and all else that runs here, as a power cut does. Raises HostError."""
        self.machine.service.kill()

    async def stop(self) -> int:
        """Send SIGTERM, and return how the node ended. Raises LabFailure if it does not end."""
        if isinstance(self.machine, NamespaceMachine):
            return await self._process.terminate()
        return 1 if await self.machine.service.stop() else 0

    async def restart(self) -> None:
        """Start the node, after stopping it if it runs."""
        if self.runs:
            await self.stop()
        self.start()

    def log_tail(self, lines: int = LOG_TAIL_LINES) -> str:
        """The last lines that the node printed."""
        return self.machine.service.log_tail(lines)

    def papers(self) -> dict[str, str]:
        """What is worth keeping after a failure, by the names of files: the node's log, if there is one, and its profile."""
        found = {}
        with suppress(HostError, OSError):
            if not (text := self.machine.service.log_text()):
                return {}
            found["node.log"] = text
            found[self.profile.name] = self.machine.get(self.profile).decode(errors="replace")
        return found

    def seen(self) -> dict[str, str]:
        """What an admin sees of the host's network: interfaces, addresses, routes, rules and tables of the firewall. What cannot
        be looked at is empty."""
        kept = {}
        for noun, words in _LOOKS.items():
            try:
                kept[noun] = _lasting(self.machine.told(words))
            except HostError:
                kept[noun] = ""
        return kept

    def changes(self) -> list[str]:
        """What an admin sees now and did not see before the node's first start, and what he no longer sees."""
        found = []
        for noun, text in self.seen().items():
            now, before = set(text.splitlines()), set(self._before[noun].splitlines())
            found += [f"{noun}: {line.strip()}" for line in sorted(now - before)]
            found += [f"{noun}, missing: {line.strip()}" for line in sorted(before - now)]
        return found

    async def end_node(self) -> list[str]:
        """Stop the node if it runs. What it did not undo."""
        try:
            if not self.runs:
                return []
            how = await self.machine.service.stop()
        except LabFailure:
            self.machine.service.kill()
            return [f"the node on {self.name} did not end on SIGTERM"]
        except HostError as error:  # of the machine: it is out of reach
            return [f"the node on {self.name}: {error.message}"]
        ended = [f"the node on {self.name} {how}"] if how is not None else []
        return ended + [f"{what} on {self.name} after SIGTERM" for what in self.changes()]


def _lasting(text: str) -> str:
    for pattern, instead in _PASSING:
        text = pattern.sub(instead, text)
    return text
