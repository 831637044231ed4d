"""One machine of a lab, whatever it is made of, and the node that runs on it as a service."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from appliance.control import client
from appliance.errors import ApplianceError

COMMAND_SECONDS: Final = 120.0
LOG_TAIL_LINES: Final = 15


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


class Service(ABC):
    """The node of a machine."""

    @abstractmethod
    def start(self) -> None:
        """Start it. It is not ready yet when this returns. Raises LabFailure."""

    @property
    @abstractmethod
    def runs(self) -> bool:
        """Is there a process of it?"""

    @property
    @abstractmethod
    def ended(self) -> str | None:
        """How it ended, if it was started and has ended for good; None otherwise."""

    @abstractmethod
    async def stop(self) -> str | None:
        """End it by SIGTERM. A sentence if it ended otherwise than it should. Raises LabFailure if it does not end."""

    @abstractmethod
    def kill(self) -> None:
        """Kill all its processes, as a loss of power does. Raises LabFailure, HostError."""

    @abstractmethod
    def log_text(self) -> str:
        """What it has printed, in all its runs."""

    def log_tail(self, lines: int = LOG_TAIL_LINES) -> str:
        """The last lines that it printed."""
        return "\n".join(self.log_text().splitlines()[-lines:])


class Machine(ABC):
    """One machine of a lab. All that is done there begins with `enter`; paths are the machine's own, unless it says otherwise."""

    kind: ClassVar[str]
    """For people and for documents."""
    slowness: ClassVar[float] = 1.0
    """How many times as long things may take as in a namespace."""
    at_a_time: ClassVar[int] = 1
    """How many of them are created side by side."""
    appliance: ClassVar[tuple[str, ...]] = ("appliance",)
    """The words that run the command."""
    name: str
    """Of the host that it is."""
    service: Service
    profile: Path
    """On the machine: the profile that its node runs."""
    identity: Path
    """On the machine: the secret identity of its node."""

    @property
    def place(self) -> str:
        """What it is, for people: `namespace lab-…-left`."""
        return f"{self.kind} {self.name}"

    # --- its life -------------------------------------------------------------------------------------------------------------

    def claim(self) -> None:
        """Make sure that it can be had, before anything is brought to one of the lab's. Raises HostError, LabFailure."""
        return

    def bring(self) -> None:
        """Bring what it takes, before one of the lab's is changed. Raises HostError, LabFailure."""
        return

    @abstractmethod
    def create(self) -> None:
        """Make it, or what it takes to be one of the lab's, to the point where it runs commands. Raises HostError, LabFailure."""

    @abstractmethod
    def remove(self) -> list[str]:
        """Remove it, or what the lab put on it. What is left, in words. Raises HostError."""

    def abandon(self) -> None:
        """Have `claim`, `bring` or `create`, which another thread is in, end soon."""
        return

    def cut_power(self) -> None:
        """Stop it between two instructions. Raises LabFailure where that cannot be done."""
        raise LabFailure(f"the power of {self.place} cannot be cut")

    def power_on(self) -> None:
        """Start it after `cut_power`, up to the point where it runs commands. Raises LabFailure."""
        raise LabFailure(f"the power of {self.place} cannot be switched")

    def pause(self) -> None:
        """Have its clock and its processors stand still. Raises LabFailure where that cannot be done."""
        raise LabFailure(f"{self.place} cannot be paused")

    def resume(self) -> None:
        """Go on after `pause`. Raises LabFailure."""
        raise LabFailure(f"{self.place} cannot be paused")

    # --- programs -------------------------------------------------------------------------------------------------------------

    @abstractmethod
    def enter(self, words: Sequence[str | Path]) -> list[str]:
        """The command line of this machine that runs `words` on that one, as root."""

    @abstractmethod
    def environ(self) -> dict[str, str]:
        """The variables that such a command line is to have."""

    @abstractmethod
    def program(self, path: Path) -> list[str]:
        """The words that run a program of ours there, which needs Python's standard library alone. `path` is on this machine."""

    @property
    def working_directory(self) -> Path | None:
        """Where command lines begin; None: where this process is."""
        return None

    async def run(self, words: Sequence[str | Path], *, timeout: float | None = None, stdin: bytes | None = None) -> Done:
        """Run a program to its end. It is killed after `timeout` seconds (two minutes, longer where all is slow), which raises
        LabFailure."""
        seconds = self.slowness * COMMAND_SECONDS if timeout is None else timeout
        process = await asyncio.create_subprocess_exec(
            *self.enter(words),
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.working_directory,
            env=self.environ(),
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(seconds):
                out, err = await process.communicate(stdin)
        except TimeoutError:
            raise LabFailure(f"`{' '.join(map(str, words))}` on {self.name} did not end within {seconds:g} s") from None
        finally:
            await _end(process)
        code = process.returncode if process.returncode is not None else -1
        return Done(tuple(map(str, words)), code, out.decode(errors="replace"), err.decode(errors="replace"))

    def spawning(self, words: Sequence[str | Path]) -> list[str]:
        """The same as `enter`, for a program that must end when the command line does."""
        return self.enter(words)

    @asynccontextmanager
    async def spawn(self, words: Sequence[str | Path], sign: str) -> AsyncIterator[tuple[str, Callable[[], Awaitable[bytes]]]]:
        """A program that runs meanwhile. Gives the line with `sign`, once it has printed that, and a way to read the rest.
        Raises LabFailure if it ends before."""
        process = await asyncio.create_subprocess_exec(
            *self.spawning(words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self.working_directory,
            env=self.environ(),
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            said = []
            while sign not in (line := (await process.stdout.readline()).decode(errors="replace")):
                said.append(line)
                if not line:
                    raise LabFailure(f"`{' '.join(map(str, words))}` on {self.name}: {''.join(said).strip()}")
            yield line, process.stdout.read
        finally:
            await _end(process)

    @abstractmethod
    def told(self, words: Sequence[str | Path], *, stdin: bytes = b"") -> str:
        """What a short program prints. Raises HostError with what it complained of."""

    def ip(self, *words: str) -> str:
        """What ip(8) prints. Raises HostError with what it complained of."""
        return self.told(["ip", *words])

    @abstractmethod
    def has(self, program: str) -> bool:
        """Is there a program of this name?"""

    # --- files ----------------------------------------------------------------------------------------------------------------

    @abstractmethod
    def put(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        """Write a file there, durably. Raises HostError."""

    @abstractmethod
    def get(self, path: Path) -> bytes:
        """What is in a file there. Raises HostError, FileNotFoundError."""

    # --- its node -------------------------------------------------------------------------------------------------------------

    @abstractmethod
    def control(self) -> socket.socket:
        """A connection to the control socket of its node. Raises what `client.connect` raises."""

    def ask(self, op: str, args: Mapping[str, Any] | None = None, *, timeout: float = 10.0) -> Any:
        """Ask the node over its control socket; each wait is bounded by `timeout` seconds, longer where all is slow. Raises
        what `client.call` raises."""
        with client.Connection(self.control(), self.slowness * timeout) as connection:
            return connection.call(op, args)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill it if it runs, and what it started: asyncio waits until nobody has its pipes any more. Not by its own `kill`, which
    takes away the exit code that asyncio waits for."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a zombie at most: nobody but asyncio waits for it, and it has not
    await process.wait()
