"""A network namespace with a name. `ip netns` makes and deletes it; a thread or a process enters it.

Programs enter by nsenter(1), which does not change their mounts. `ip netns exec` would mount another /sys, which is not allowed
in an unprivileged user namespace.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from appliance.errors import HostError
from appliance.lab import processes

T = TypeVar("T")
NETNS_DIR = Path("/run/netns")
"""Where `ip netns` keeps its names (ip-netns(8))."""
CLONE_NEWNET: Final = 0x40000000
COMMAND_SECONDS: Final = 30.0
"""`ip` takes milliseconds; only a stuck kernel takes longer."""


class Namespace:
    """One network namespace with a name. `create` makes it, `delete` removes it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = NETNS_DIR / name
        self._thread: ThreadPoolExecutor | None = None

    def create(self) -> None:
        """Make it, and bring its loopback up. Raises HostError."""
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")

    def enter(self, words: Sequence[str | Path]) -> list[str]:
        """The command line that runs `words` inside."""
        return ["nsenter", f"--net={self.path}", "--", *map(str, words)]

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function in a thread inside. Sockets that it opens stay inside for good."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, self.name, initializer=_move_thread, initargs=(self.path,))
        return self._thread.submit(function, *arguments).result()

    @property
    def exists(self) -> bool:
        """Is it there?"""
        return self.path.exists()

    def delete(self) -> None:
        """Kill what runs inside, and remove the name. The kernel removes devices, routes and rules with it."""
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        if not self.exists:
            return
        try:
            kill_inhabitants(self.path.stat().st_ino)
            ip("netns", "del", self.name)
        except (OSError, HostError):
            if self.exists:  # else somebody else has removed it meanwhile: each lab sweeps what killed ones left
                raise


def ip(*words: str, namespace: str | None = None) -> str:
    """Run ip(8), and return what it printed. Raises HostError with what it complained of."""
    command = ["ip", *(["-n", namespace] if namespace else []), *words]
    try:
        done = subprocess.run(  # in a session of its own: a Ctrl-C is for the lab
            command, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS, start_new_session=True
        )
    except FileNotFoundError:
        raise HostError("there is no program ip here", hint="install it: apt install iproute2") from None
    if done.returncode:
        raise HostError(f"`{' '.join(command)}` failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def existing() -> list[str]:
    """The names of all network namespaces, in order."""
    try:
        return sorted(entry.name for entry in NETNS_DIR.iterdir())
    except FileNotFoundError:
        return []


def kill_inhabitants(inode: int) -> None:
    """Kill everything inside the namespace with this number, and wait until it is gone. Raises HostError."""
    processes.kill_all(lambda entry: (entry / "ns/net").stat().st_ino == inode)


def _move_thread(path: Path) -> None:
    """setns(2), for the calling thread only. (Python has os.setns from 3.12 on.)"""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns({path})")
    finally:
        os.close(descriptor)
