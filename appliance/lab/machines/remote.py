"""A host with a system of its own, which is reached by SSH: its node is the Debian package's service."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Final

from appliance.control import client
from appliance.errors import ApplianceError, HostError, NoDaemon
from appliance.lab.machines import splice
from appliance.lab.machines.machine import Machine
from appliance.lab.machines.unit import PROFILE, Unit

PATIENCE: Final = 300.0
"""Seconds for a short program; one that takes longer hangs."""
UNREACHABLE: Final = 255
"""What ssh(1) ends with when it is itself that fails."""
_PUT: Final = (
    'mkdir -p "$(dirname "$1")" && umask 077 && cat >"$1.part" && chmod "$2" "$1.part" && sync "$1.part" && mv "$1.part" "$1"'
)
_END_TOGETHER: Final = 'exec 3<&0; "$@" </dev/null & p=$!; { cat <&3 >/dev/null; kill -9 $p; } 2>/dev/null & wait $p'
"""Runs a command until it ends, or until its input does: a connection that is gone takes what it began with it."""


class RemoteMachine(Machine):
    """`directory` is the lab's own for it, on this machine; `folder` the same on that one. A subclass says how it is reached."""

    kind: ClassVar[str] = "host"
    user: str = "root"
    """Who the connection makes us there. Another one than root has sudo."""

    def __init__(self, name: str, directory: Path, folder: Path) -> None:
        self.name = name
        self.directory = directory
        self.folder = folder
        self.profile = PROFILE
        self.identity = PROFILE.with_name("identity")
        self.unit = Unit(self)
        self.service = self.unit
        self._programs: set[Path] = set()
        self._passing: list[subprocess.Popen[bytes]] = []
        """What passes on what is said to the node; each ends with its connection."""
        self._watching: client.Connection | None = None
        self._one_at_a_time = threading.Lock()

    @abstractmethod
    def ssh(self) -> list[str]:
        """The command line of this machine that reaches that one, without what is to be run there."""

    def by_hand(self) -> list[str]:
        """What a person types to see why it is not reached."""
        return self.ssh()

    def enter(self, words: Sequence[str | Path]) -> list[str]:
        """By SSH, with sudo where it takes that."""
        asked = [] if self.user == "root" else ["sudo", "-n", "--"]
        return [*self.ssh(), shlex.join([*asked, "env", "NO_COLOR=1", *map(str, words)])]

    def spawning(self, words: Sequence[str | Path]) -> list[str]:
        """A program does not notice that its connection is gone."""
        return self.enter(["sh", "-c", _END_TOGETHER, "sh", *words])

    def environ(self) -> dict[str, str]:
        """The caller's: none of them reaches the host. The lab finds by the last one what it has left."""
        return dict(os.environ) | {"LAB_DIRECTORY": str(self.directory)}

    def program(self, path: Path) -> list[str]:
        """It is copied there once, and Debian's own Python runs it."""
        there = self.folder / path.name
        if path not in self._programs:
            self.put(there, path.read_bytes())
            self._programs.add(path)
        return ["python3", "-I", str(there)]

    def told(self, words: Sequence[str | Path], *, stdin: bytes = b"", seconds: float = PATIENCE) -> str:
        """By SSH."""
        return self._done(words, stdin, seconds).decode(errors="replace")

    def has(self, program: str) -> bool:
        """As root's shell finds it."""
        with suppress(HostError):
            return bool(self.told(["sh", "-c", 'command -v "$0" || true', program]).strip())
        return False

    def put(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        """Whole or not at all, whatever happens meanwhile."""
        self._done(["sh", "-c", _PUT, "sh", path, f"{mode:o}"], data)

    def get(self, path: Path) -> bytes:
        """By cat(1)."""
        return self._done(["cat", path])

    def control(self) -> socket.socket:
        """The abstract socket of its node, by a program that passes on what is said. The kernel there knows us as root."""
        here, there = socket.socketpair()
        with there:
            words = self.enter(self.program(Path(splice.__file__)))
            process = subprocess.Popen(
                words,
                stdin=there.fileno(),
                stdout=there.fileno(),
                stderr=subprocess.DEVNULL,
                env=self.environ(),
                start_new_session=True,
            )
        here.settimeout(PATIENCE)
        self._passing = [each for each in self._passing if each.poll() is None] + [process]
        with suppress(OSError):  # it hangs, or its host has just lost power
            if here.recv(1) == splice.CONNECTED:
                return here
        here.close()
        raise NoDaemon(f"nobody answers at the control socket on {self.name}", hint="see journalctl -u appliance there")

    def ask(self, op: str, args: Mapping[str, Any] | None = None, *, timeout: float = 10.0) -> Any:
        """The status, which is asked for again and again, over a connection that stays: a new one starts a program there."""
        if op != "status":
            return super().ask(op, args, timeout=timeout)
        with self._one_at_a_time:
            return self._status(timeout)

    def _status(self, timeout: float) -> Any:
        kept, self._watching = self._watching, None
        if kept is not None:
            try:
                told = kept.call("status")
            except ApplianceError:  # the node was started again, or its host
                kept.close()
            else:
                self._watching = kept
                return told
        fresh = client.Connection(self.control(), self.slowness * timeout)
        try:
            told = fresh.call("status")
        except ApplianceError:
            fresh.close()
            raise
        self._watching = fresh
        return told

    def hang_up(self) -> None:
        """Close the connections to the node, and wait for what passed on what was said there."""
        with self._one_at_a_time:
            if self._watching is not None:
                self._watching.close()
                self._watching = None
        for each in self._passing:
            each.kill()
            each.wait()
        self._passing = []

    def forget_programs(self) -> None:
        """They are copied anew when they are wanted: a loss of power may have taken them."""
        self._programs.clear()

    def _done(self, words: Sequence[str | Path], stdin: bytes = b"", seconds: float = PATIENCE) -> bytes:
        try:
            done = subprocess.run(  # in a session of its own: a Ctrl-C is for the lab
                self.enter(words),
                input=stdin,
                capture_output=True,
                check=False,
                env=self.environ(),
                timeout=seconds,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            raise HostError(f"{self.place} does not answer within {seconds:g} s") from None
        except FileNotFoundError:
            raise HostError("there is no program ssh here", hint="install it: apt install openssh-client") from None
        if done.returncode:
            complaint = (done.stderr or done.stdout).decode(errors="replace").strip()[-500:]
            if done.returncode == UNREACHABLE:
                raise HostError(f"{self.place} is not reached: {complaint}", hint=f"try: {shlex.join(self.by_hand())}")
            raise HostError(f"`{' '.join(map(str, words))}` on {self.name} failed: {complaint}")
        return done.stdout
