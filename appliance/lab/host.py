"""One host of a running lab: its namespace, the node in it, and what can be done with both."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from appliance.api.values import Interface
from appliance.control import client
from appliance.errors import ApplianceError, NoDaemon
from appliance.foundation import interpreter, places
from appliance.lab.definition import HostEntry
from appliance.lab.namespace import Namespace, kill_inhabitants
from appliance.lab.profiles import IDENTITY_FILE

APPLIANCE = tuple(interpreter.command("appliance.cli"))
STOP_SECONDS = 15.0
"""How long a node may take to undo everything. It takes one or two seconds."""
COMMAND_SECONDS = 120.0
LOG_TAIL_LINES = 15
_LOOKS = {
    "interfaces": ("ip", "-o", "addr"),
    "routes": ("ip", "route", "show", "table", "all"),
    "IPv6 routes": ("ip", "-6", "route", "show", "table", "all"),
    "rules": ("ip", "rule"),
    "IPv6 rules": ("ip", "-6", "rule"),
    "firewall": ("nft", "list", "ruleset"),
}


class LabFailure(ApplianceError):
    """The lab did not come to the point where it could be probed."""


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    words: tuple[str, ...]
    """The command line."""
    code: int
    """Its exit code."""
    out: str
    """Its standard output."""
    err: str
    """Its standard error."""

    def must_work(self) -> Done:
        """The same. Raises LabFailure if the command failed."""
        if self.code:
            raise LabFailure(f"`{' '.join(self.words)}` ended with {self.code}: {(self.err or self.out).strip()[-2000:]}")
        return self


class Host:
    """A host, as tests and probes see it. The lab makes it."""

    def __init__(self, name: str, entry: HostEntry, namespace: Namespace, directory: Path) -> None:
        """`directory` belongs to this host alone, and exists."""
        self.name = name
        self.entry = entry
        self.namespace = namespace
        self.directory = directory
        self.addresses: tuple[Interface, ...] = entry.addresses
        """Inside the overlay."""
        self.identity = ""
        self.overlay_name = ""
        """NAME.LABEL in a network of members."""
        self.node: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._before: dict[str, str] = {}

    @property
    def profile(self) -> Path:
        """The file with the profile that its node runs."""
        return self.directory / "profile.yaml"

    @property
    def identity_file(self) -> Path:
        """The file with the secret identity of its node."""
        return self.directory / IDENTITY_FILE

    @property
    def log(self) -> Path:
        """The file with what its node printed, in all its runs."""
        return self.directory / "node.log"

    @property
    def state_dir(self) -> Path:
        """Where its node keeps the undo journal."""
        return self.directory / "state"

    def address(self, version: int) -> str | None:
        """Its first overlay address of an IP version."""
        return next((str(address.ip) for address in self.addresses if address.version == version), None)

    def enter(self, words: Sequence[str | Path]) -> list[str]:
        """The command line that runs `words` on this host, with an /etc/resolv.conf of its own: nodes write into it."""
        resolver = self.directory / "resolv.conf"
        if not resolver.exists():
            resolver.write_text("nameserver 192.0.2.53\n", encoding="utf-8")  # RFC 5737: nobody is there
        mounted = '{ [ ! -e /etc/resolv.conf ] || mount --bind "$0" /etc/resolv.conf; } && exec "$@"'
        return self.namespace.enter(["unshare", "--mount", "sh", "-c", mounted, resolver, *words])

    # --- programs on this host ------------------------------------------------------------------------------------------------

    async def run(self, words: Sequence[str | Path], *, timeout: float = COMMAND_SECONDS, stdin: bytes | None = None) -> Done:
        """Run a program to its end. It is killed after `timeout` seconds, which raises LabFailure."""
        process = await asyncio.create_subprocess_exec(
            *self.enter(words),
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.directory,
            env=self.environ(),
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(timeout):
                out, err = await process.communicate(stdin)
        except TimeoutError:
            raise LabFailure(f"`{' '.join(map(str, words))}` on {self.name} did not end within {timeout:g} s") from None
        finally:
            with suppress(ProcessLookupError):
                process.kill()
                await process.wait()
        code = process.returncode if process.returncode is not None else -1
        return Done(tuple(map(str, words)), code, out.decode(errors="replace"), err.decode(errors="replace"))

    async def appliance(self, *words: str | Path, timeout: float = COMMAND_SECONDS) -> Done:
        """Run an `appliance` command on this host."""
        return await self.run([*APPLIANCE, *words], timeout=timeout)

    def environ(self) -> dict[str, str]:
        """The caller's variables, without those of the appliance, which would change the profile."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("APPLIANCE_") or key == "APPLIANCE_LOG"}
        kept.pop("CREDENTIALS_DIRECTORY", None)
        kept.pop("NOTIFY_SOCKET", None)
        nobodys = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}  # this machine's services are not this host's
        return kept | nobodys | {"APPLIANCE_STATE_DIR": str(self.state_dir), "NO_COLOR": "1"}

    # --- its node -------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the node. It is not ready yet when this returns."""
        assert self.node is None or self.node.poll() is not None, "one node a host"
        self._close_log()
        self._before = self._before or self.seen()
        self._log = self.log.open("ab")
        self.node = subprocess.Popen(
            self.enter([*APPLIANCE, "run", self.profile]),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=self.directory,
            env=self.environ(),
            start_new_session=True,  # a Ctrl-C is for the lab, which ends its nodes in order
        )

    @property
    def runs(self) -> bool:
        """Is there a process of the node?"""
        return self.node is not None and self.node.poll() is None

    def ask(self, op: str, args: Mapping[str, Any] | None = None, *, timeout: float = 10.0) -> Any:
        """Ask the node over its control socket. Raises what `client.call` raises."""
        return self.namespace.call(lambda: client.call(op, dict(args or {}), timeout=timeout, address=places.ABSTRACT))

    def status(self) -> dict[str, Any] | None:
        """What `appliance status --json` shows; None while nobody answers. Raises LabFailure if the node has ended."""
        if self.node is not None and self.node.poll() is not None:
            raise LabFailure(f"the node on {self.name} ended with {self.node.returncode}:\n{self.log_tail()}")
        try:
            answer: dict[str, Any] = self.ask("status")
        except NoDaemon:
            return None
        except client.ControlError as error:
            if error.retryable:
                return None
            raise
        return answer

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
        assert self.node is not None
        kill_inhabitants(self.namespace.path.stat().st_ino)
        self.node.wait(STOP_SECONDS)

    async def stop(self) -> int:
        """Send SIGTERM, and return how the node ended. Raises LabFailure if it does not end."""
        assert self.node is not None
        self.node.terminate()
        try:
            return await asyncio.to_thread(self.node.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise LabFailure(f"the node on {self.name} does not end on SIGTERM:\n{self.log_tail()}") from None

    async def restart(self) -> None:
        """Start the node, after stopping it if it runs."""
        if self.runs:
            await self.stop()
        self.start()

    def log_tail(self, lines: int = LOG_TAIL_LINES) -> str:
        """The last lines that the node printed."""
        try:
            return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def seen(self) -> dict[str, str]:
        """What an admin sees of the host's network: interfaces, addresses, routes, rules and tables of the firewall."""
        kept = {}
        for noun, words in _LOOKS.items():  # in a session of its own: a Ctrl-C is for the lab
            done = subprocess.run(
                self.namespace.enter(words), capture_output=True, text=True, check=False, start_new_session=True
            )
            kept[noun] = done.stdout
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
        if not self.runs:
            return []
        assert self.node is not None
        try:
            code = await self.stop()
        except LabFailure:
            self.node.kill()
            return [f"the node on {self.name} did not end on SIGTERM"]
        # a node that has not come to its first step yet has no handler for SIGTERM, and needs none
        ended = [f"the node on {self.name} ended with {code}"] if code not in (0, -signal.SIGTERM) else []
        return ended + [f"{what} on {self.name} after SIGTERM" for what in self.changes()]

    def remove(self) -> None:
        """Remove the namespace and all that is in it. Raises HostError."""
        self.namespace.delete()
        if self.node is not None:
            self.node.wait(STOP_SECONDS)
        self._close_log()

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None
