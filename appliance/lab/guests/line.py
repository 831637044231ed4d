"""The ssh connection to a guest: one that stays, and commands that go over it. Each would take a second to log in otherwise."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from appliance.errors import HostError
from appliance.foundation import clock
from appliance.lab.guests.qemu import SSH_PORT
from appliance.lab.namespace import Namespace

GREETING_SECONDS: Final = 5.0
LOGIN_SECONDS: Final = 120.0
"""A login takes one second on a core of its own."""
END_SECONDS: Final = 60.0
LONGEST_PATH: Final = 107 - 17
"""Of a Unix socket's name (unix(7)), less what ssh appends to it for a moment."""
OPTIONS: Final = {
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
    "LogLevel": "ERROR",
    "IdentitiesOnly": "yes",
    "BatchMode": "yes",
    "ConnectTimeout": "30",
    # what costs a processor without help from KVM least
    "KexAlgorithms": "curve25519-sha256",
    "HostKeyAlgorithms": "ssh-ed25519",
    "GSSAPIAuthentication": "no",
}


class Line:
    """The connection to one guest, through its namespace."""

    def __init__(self, name: str, key: Path, folder: Path, namespace: Namespace, environ: Mapping[str, str]) -> None:
        """`name` is the guest's, for errors. `folder` is for the connection's socket. Raises HostError if its path is long."""
        self._name = name
        self._key = key
        self._folder = folder
        self._namespace = namespace
        self._environ = dict(environ)
        self._master: subprocess.Popen[bytes] | None = None
        self._calls = 0
        if len(str(self._socket)) > LONGEST_PATH - 4:
            raise HostError(f"{folder} is too long a path for the socket of ssh", hint="set TMPDIR to a shorter one, like /tmp")

    def open(self, end: float) -> bool:
        """Log in, if the guest's sshd greets; is the line open now? To be asked again until a monotonic time `end`."""
        if self._master is not None and self._master.poll() is None:
            return True
        if not self._namespace.call(_greets):
            return False
        self._calls += 1
        with (self._folder / "ssh.log").open("ab") as log:
            self._master = subprocess.Popen(
                self._command("-o", "ControlMaster=yes", "-N"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environ,
                start_new_session=True,
            )
        patience = min(end, clock.monotonic() + LOGIN_SECONDS)
        while not self._socket.exists():
            with suppress(subprocess.TimeoutExpired):
                self._master.wait(0.05)
            if self._master.poll() is not None or clock.monotonic() > patience:
                self.hang_up()
                return False
        return True

    def hang_up(self) -> None:
        """Close it. What runs over it is cut off."""
        if self._master is not None:
            self._master.kill()
            self._master.wait(END_SECONDS)
            self._master = None
        self._socket.unlink(missing_ok=True)

    def words(self) -> list[str]:
        """The beginning of a command line that runs a program on the guest over this line. Without the line it logs in anew."""
        return self._command("-o", "ControlMaster=no")

    def run(self, script: str, *, stdin: str = "", timeout: float) -> str:
        """Run a shell script, and return what it printed. Raises HostError if it fails or does not end in time."""
        try:
            done = subprocess.run(
                [*self.words(), script],
                input=stdin,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
                env=self._environ,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            raise HostError(f"{self._name}: this did not end within {timeout:g} s: {script[:200]}") from None
        if done.returncode:
            raise HostError(
                f"{self._name}: {script[:200]!r} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}"
            )
        return done.stdout

    def converse(self, program: str, told: Callable[[], dict[str, Any]], *, timeout: float = LOGIN_SECONDS) -> None:
        """Run a program that says "ready", is told a JSON document then, and says "done". Raises HostError."""
        process = subprocess.Popen(
            [*self.words(), program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self._environ,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            document = json.dumps(told()) + "\n" if first == "ready\n" else ""
            said, _ = process.communicate(document, timeout)
        except subprocess.TimeoutExpired:
            raise HostError(f"{self._name} was not settled within {timeout:g} s") from None
        finally:
            process.kill()
            process.wait(END_SECONDS)
        if process.returncode or said.strip() != "done":
            raise HostError(f"{self._name} could not be settled: {(first + said).strip()[-2000:]}")

    @property
    def _socket(self) -> Path:
        return self._folder / f"ssh{self._calls}"

    def _command(self, *options: str) -> list[str]:
        fixed = [word for option in OPTIONS.items() for word in ("-o", "=".join(option))]
        place = ["-F", "/dev/null", "-p", str(SSH_PORT), "-i", str(self._key), "-o", f"ControlPath={self._socket}"]
        return self._namespace.enter(["ssh", *place, *fixed, *options, "root@127.0.0.1"])


def _greets() -> bool:
    """Does sshd greet? qemu itself takes connections long before."""
    try:
        with socket.create_connection(("127.0.0.1", SSH_PORT), GREETING_SECONDS) as connection:
            connection.settimeout(GREETING_SECONDS)
            return connection.recv(4).startswith(b"SSH")
    except OSError:
        return False
