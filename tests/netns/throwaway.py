"""Network namespaces for one test, entered by a thread (its coverage counts) or by a fork (it may be killed)."""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

CLONE_NEWNET, CLONE_NEWNS, CLONE_FS = 0x40000000, 0x00020000, 0x00000200
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
SNAPSHOT = {
    "links": "ip -j -d link",
    "addresses": "ip -j addr",
    "routes": "ip -j route show table all",
    "routes6": "ip -j -6 route show table all",
    "rules": "ip -j rule",
    "rules6": "ip -j -6 rule",
    "nftables": "nft -j list ruleset",
    "settings": "sysctl -a --pattern ^net 2>/dev/null | grep -v nf_conntrack_count",
}
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Ended:
    """How a forked child ended: what it returned or raised, or the signal that killed it."""

    value: Any = None
    error: BaseException | None = None
    signal: int | None = None


class Throwaway:
    """A namespace of this process's own. Use it as a context manager. What runs in it finds `resolver` as its /etc/resolv.conf if
    that is given, and with `mounts` it sees the files of that mount namespace."""

    def __init__(self, resolver: Path | None = None, mounts: Path | None = None) -> None:
        self.name = f"appl-{os.getpid()}-{next(_numbers)}"
        self.resolver = resolver
        self.mounts = mounts

    def __enter__(self) -> Self:
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.sh("ip link set lo up")
        return self

    def __exit__(self, *exc: object) -> None:
        subprocess.run(["ip", "netns", "del", self.name], check=True)

    def sh(self, script: str, *, check: bool = True) -> str:
        """Run a shell script inside; what it printed."""
        done = subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.name}", "sh", "-c", script], capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"{script}: {done.stderr}"
        return done.stdout

    def snapshot(self) -> dict[str, Any]:
        """All there is to see of the network configuration, in a form that compares."""
        marks = "; echo '@@'; ".join(SNAPSHOT.values())
        parts = self.sh(marks, check=False).split("@@\n")
        seen: dict[str, Any] = {}
        for noun, text in zip(SNAPSHOT, parts, strict=True):
            seen[noun] = sorted(text.splitlines()) if noun == "settings" else settled(json.loads(text or "[]"))
        if self.resolver is not None:
            seen["resolver"] = self.resolver.read_text()
        return seen

    def run(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a function, or run a coroutine function, in a thread inside; its result or exception."""
        outcome: list[Any] = []

        def inside() -> None:
            try:
                self._enter()
                outcome.append((_call(function, arguments, named), None))
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                outcome.append((None, error))

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        value, error = outcome[0]
        if error is not None:
            raise error
        return value

    def fork(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Ended:
        """The same in a child process, which may be killed."""
        reading, writing = os.pipe()
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.close(reading)
                self._enter()
                with os.fdopen(writing, "wb") as pipe:
                    try:
                        pickle.dump((_call(function, arguments, named), None), pipe)
                    except Exception as error:  # noqa: BLE001 - told to the parent
                        pickle.dump((None, RuntimeError(repr(error))), pipe)
                code = 0
            finally:
                os._exit(code)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            data = pipe.read()
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            return Ended(signal=os.WTERMSIG(status))
        return Ended(*pickle.loads(data))

    def _enter(self) -> None:
        fd = os.open(Path("/run/netns") / self.name, os.O_RDONLY)
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.setns(fd, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        os.close(fd)
        if self.mounts is not None:
            fd = os.open(self.mounts, os.O_RDONLY)
            assert libc.unshare(CLONE_FS) == 0, os.strerror(ctypes.get_errno())
            assert libc.setns(fd, CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
            os.close(fd)
        elif self.resolver is not None:
            assert libc.unshare(CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
            for source, target, flags in (
                (b"none", b"/", MS_REC | MS_PRIVATE),
                (bytes(self.resolver), b"/etc/resolv.conf", MS_BIND),
            ):
                assert libc.mount(source, target, None, flags, None) == 0, os.strerror(ctypes.get_errno())


def settled(value: Any) -> Any:
    """Without what the kernel numbers anew, or updates in its own time when a device has no carrier."""
    if isinstance(value, dict):
        return {key: settled(inner) for key, inner in value.items() if key not in {"operstate", "qdisc", "handle"}}
    if isinstance(value, list):
        kept = [settled(inner) for inner in value if inner not in ("NO-CARRIER", "LOWER_UP", "linkdown")]
        return sorted(kept, key=repr)
    return value


def _call(function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    result = function(*arguments, **named)
    return asyncio.run(result) if isinstance(result, Coroutine) else result


def kill_myself() -> None:
    """As `kill -9` from outside: nothing of this process runs any more."""
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()
