"""A host that is a network namespace of this machine, with a node that is a process in it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, ClassVar, Final

from appliance.control import client
from appliance.errors import HostError
from appliance.foundation import interpreter, places
from appliance.lab import network
from appliance.lab.layout import End, Route
from appliance.lab.machines.machine import LabFailure, Machine, Service
from appliance.lab.namespace import Namespace, ip, kill_inhabitants
from appliance.lab.profiles import IDENTITY_FILE

APPLIANCE: Final = tuple(interpreter.command("appliance.cli"))
STOP_SECONDS: Final = 15.0
"""How long a node may take to undo everything. It takes one or two seconds."""


class NamespaceMachine(Machine):
    """`directory` belongs to it alone, and exists."""

    kind: ClassVar[str] = "namespace"
    appliance: ClassVar[tuple[str, ...]] = APPLIANCE

    def __init__(self, name: str, namespace: Namespace, directory: Path) -> None:
        self.name = name
        self.namespace = namespace
        self.directory = directory
        self.profile = directory / "profile.yaml"
        self.identity = directory / IDENTITY_FILE
        self.state_dir = directory / "state"
        """Where its node keeps the undo journal."""
        self.service: NodeProcess = NodeProcess(self)

    @property
    def place(self) -> str:
        """Its name among namespaces."""
        return f"namespace {self.namespace.name}"

    def create(self) -> None:
        """The namespace, with its loopback up."""
        self.namespace.create()

    def attach(self, end: End, mtu: int) -> None:
        """The device is in the namespace already."""
        network.set_up(self.ip, end, mtu, is_router=False)

    def set_routes(self, routes: Sequence[Route]) -> None:
        """In the namespace."""
        network.set_routes(self.ip, routes)

    def remove(self) -> list[str]:
        """And all that runs inside."""
        self.namespace.delete()
        self.service.close()
        return []

    def enter(self, words: Sequence[str | Path]) -> list[str]:
        """With an /etc/resolv.conf of its own: nodes write into it."""
        resolver = self.directory / "resolv.conf"
        if not resolver.exists():
            resolver.write_text("nameserver 192.0.2.53\n", encoding="utf-8")  # RFC 5737: nobody is there
        mounted = '{ [ ! -e /etc/resolv.conf ] || mount --bind "$0" /etc/resolv.conf; } && exec "$@"'
        return self.namespace.enter(["unshare", "--mount", "sh", "-c", mounted, resolver, *words])

    def environ(self) -> dict[str, str]:
        """The caller's variables, without those of the appliance, which would change the profile."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("APPLIANCE_") or key == "APPLIANCE_LOG"}
        kept.pop("CREDENTIALS_DIRECTORY", None)
        kept.pop("NOTIFY_SOCKET", None)
        nobodys = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}  # this machine's services are not this host's
        return kept | nobodys | {"APPLIANCE_STATE_DIR": str(self.state_dir), "NO_COLOR": "1"}

    @property
    def working_directory(self) -> Path:
        """Its directory."""
        return self.directory

    def program(self, path: Path) -> list[str]:
        """Both have the same files."""
        return [sys.executable, "-I", str(path)]

    def told(self, words: Sequence[str | Path], *, stdin: bytes = b"") -> str:
        """Without the mounts that `enter` makes."""
        done = subprocess.run(  # in a session of its own: a Ctrl-C is for the lab
            self.namespace.enter(words), input=stdin, capture_output=True, check=False, start_new_session=True
        )
        if done.returncode:
            complaint = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise HostError(f"`{' '.join(map(str, words))}` on {self.name} failed: {complaint[-500:]}")
        return done.stdout.decode(errors="replace")

    def ip(self, *words: str) -> str:
        """By `ip -n`."""
        return ip(*words, namespace=self.namespace.name)

    def has(self, program: str) -> bool:
        """Both have the same programs."""
        return shutil.which(program) is not None

    def put(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        """Both have the same files."""
        try:
            path.touch(mode=mode)
            path.write_bytes(data)
        except OSError as error:
            raise HostError(f"{path} cannot be written: {error.strerror}") from error

    def get(self, path: Path) -> bytes:
        """Below /proc of a thread that is inside."""
        return self.namespace.call(path.read_bytes)

    def control(self) -> socket.socket:
        """From inside, where the name of the socket is."""
        return self.namespace.call(client.connect, places.ABSTRACT)


class NodeProcess(Service):
    """`appliance run` in a namespace."""

    def __init__(self, machine: NamespaceMachine) -> None:
        self._machine = machine
        self.process: subprocess.Popen[bytes] | None = None
        self.log = machine.directory / "node.log"
        self._log: IO[bytes] | None = None

    def start(self) -> None:
        """In a session of its own."""
        assert not self.runs, "one node a host"
        self.close()
        self._log = self.log.open("ab")
        machine = self._machine
        self.process = subprocess.Popen(
            machine.enter([*APPLIANCE, "run", machine.profile]),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=machine.directory,
            env=machine.environ(),
            start_new_session=True,  # a Ctrl-C is for the lab, which ends its nodes in order
        )

    @property
    def runs(self) -> bool:
        """Is the process there?"""
        return self.process is not None and self.process.poll() is None

    @property
    def ended(self) -> str | None:
        """With its exit code."""
        if self.process is None or self.process.poll() is None:
            return None
        return f"with {self.process.returncode}"

    async def stop(self) -> str | None:
        """Says the exit code, unless it is 0."""
        code = await self.terminate()
        # a node that has not come to its first step yet has no handler for SIGTERM, and needs none
        return f"ended with {code}" if code not in (0, -signal.SIGTERM) else None

    async def terminate(self) -> int:
        """Send SIGTERM, and return how the node ended. Raises LabFailure if it does not end."""
        assert self.process is not None
        self.process.terminate()
        try:
            return await asyncio.to_thread(self.process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise LabFailure(f"the node on {self._machine.name} does not end on SIGTERM:\n{self.log_tail()}") from None

    def kill(self) -> None:
        """All that is inside the namespace."""
        assert self.process is not None
        kill_inhabitants(self._machine.namespace.path.stat().st_ino)
        self.process.wait(STOP_SECONDS)

    def log_text(self) -> str:
        """Of all its runs, from its file."""
        try:
            return self.log.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def close(self) -> None:
        """Wait for the process, which is gone or killed, and close the log."""
        if self.process is not None:
            self.process.wait(STOP_SECONDS)
        if self._log is not None:
            self._log.close()
            self._log = None
