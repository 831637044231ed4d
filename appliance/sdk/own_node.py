"""A node of an application's own, without root: for a program on a host where no node runs.

async with OwnNode("profile.yaml") as node, Client(node.address) as client:
    ...

It is `appliance run --rootless`, or `--userspace`, as a child process, and no part of this one: the kernel gives a user
namespace only to a process of one thread, which would be in it from then on. It ends with the context, and with this process,
however that ends.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from appliance.foundation import interpreter, places
from appliance.foundation.logging import get_logger
from appliance.sdk.errors import SDKError

log = get_logger("sdk")

START_SECONDS: Final = 60.0
"""A start takes less than one second on an idle machine."""
STOP_SECONDS: Final = 15.0
LAST_LINES: Final = 64
"""Of what the node logged, for the reason why it did not start."""
LONGEST_LINE: Final = 1 << 16
_THEIRS: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""Variables of a service manager, which mean this process."""


class NodeNotStarted(SDKError):
    """The node ended before it was ready, or was not ready in time. Message and hint are what it said."""


class OwnNode:
    """A node from `profile`, else from the user's own; `instance` is its name where the user has several. `userspace`: it goes
    without namespaces too, by a TCP/IP of its own, which is slower (docs/userspace.md). Logs are at debug."""

    def __init__(self, profile: str | Path | None = None, *, instance: str = "", userspace: bool = False) -> None:
        kind = "--userspace" if userspace else "--rootless"
        self._words = ["run", kind, "--attended", *([] if profile is None else [str(profile)])]
        self._environ = {key: value for key, value in os.environ.items() if key not in _THEIRS}
        if instance:
            self._environ[places.INSTANCE_VARIABLE] = instance
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._said: deque[str] = deque(maxlen=LAST_LINES)

    @property
    def address(self) -> str:
        """Its control socket, for `Client`."""
        return str(places.control_path(places.state_dir(self._environ)))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self, deadline: float = START_SECONDS) -> None:
        """Start it, and return when it is ready. Raises NodeNotStarted."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as told:
            told.bind("")  # an abstract name that the kernel chooses, unix(7)
            name = told.getsockname()
            self._process = await asyncio.create_subprocess_exec(
                *interpreter.command("appliance.cli", *self._words),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                limit=LONGEST_LINE,
                start_new_session=True,  # a Ctrl-C is for this program, which ends it in order
                env=self._environ | {"NOTIFY_SOCKET": f"@{name[1:].decode()}"},
            )
            self._reading = asyncio.get_running_loop().create_task(self._read(self._process), name="node's log")
            try:
                await self._until_ready(told, deadline)
            except BaseException:
                await self.stop()
                raise

    async def stop(self) -> None:
        """End it in order; kill it when that takes too long. Safe to call twice."""
        process, self._process = self._process, None
        if process is None or self._reading is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await self._reading

    async def _until_ready(self, told: socket.socket, deadline: float) -> None:
        assert self._reading is not None
        ready = asyncio.get_running_loop().create_task(_ready(told), name="node is ready")
        try:
            await asyncio.wait({ready, self._reading}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise self._reason()
        finally:
            ready.cancel()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # longer than LONGEST_LINE, and gone
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip("\n")
            self._said.append(text)
            log.debug("the node says", line=text)

    def _reason(self) -> NodeNotStarted:
        told = [line for line in self._said if not line.startswith("{")]  # the others are its log
        named = {kind: text for line in told for kind, _, text in [line.partition(": ")] if kind in {"error", "hint"}}
        message = named.get("error") or "\n".join(told) or "the node was not ready in time"
        return NodeNotStarted(message, hint=named.get("hint", f"run it by hand: appliance {' '.join(self._words)}"))


async def _ready(told: socket.socket) -> None:
    """Wait for READY=1 (sd_notify(3))."""
    loop = asyncio.get_running_loop()
    while b"READY=1" not in (await loop.sock_recv(told, LONGEST_LINE)).split(b"\n"):
        pass
