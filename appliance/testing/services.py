"""What everything that is opened for a plugin gets from the core. A test says what that is."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from appliance.api.services import Stats
from appliance.errors import HostError
from appliance.plugin_host.storage import KeptFolder
from appliance.testing.clock import ManualClock

LAST_SECOND = 1e6
"""A test that slept for so long has seen what it will see."""


class EndOfTime(BaseException):
    """Virtual time is up. No Exception, so that a plugin does not take it for a failure of its own."""


class FakeServices:
    """`Services` of `appliance.api.services`.

    What is kept goes to a temporary folder.

    `reported` collects what the admin would read, `failures` what spawned tasks raised. Sleeping takes no time but moves `now`. A
    test that spawned tasks ends them with `close`.
    """

    def __init__(self, *, section: Any = None, jitter: float = 0.5) -> None:
        self.section: Any = section
        self.shared: dict[str, Any] = {}
        self.reported: list[str] = []
        self.failures: list[BaseException] = []
        self.sources: list[Callable[[], Stats]] = []
        self._clock = ManualClock(0.0)
        self._jitter = jitter
        self._tasks: list[asyncio.Future[None]] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def storage(self) -> KeptFolder:
        """A temporary folder, which is gone with this."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory()
        return KeptFolder(Path(self._folder.name), "plugin")

    @property
    def now(self) -> float:
        """Seconds slept so far."""
        return self._clock.now

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass, and others have their turn. Raises EndOfTime in the end."""
        if self.now > LAST_SECOND:
            raise EndOfTime
        await self._clock.sleep(seconds)
        await asyncio.sleep(0)

    def jitter(self) -> float:
        """Always the same."""
        return self._jitter

    def report(self, problem: str) -> None:
        """Remember it."""
        self.reported.append(problem)

    def stats_from(self, source: Callable[[], Stats]) -> None:
        """Remember it in `sources`."""
        self.sources.append(source)

    def spawn(self, work: Awaitable[None], name: str) -> None:
        """Run it until `close`."""
        del name
        task = asyncio.ensure_future(_until_the_end(work))
        self._tasks.append(task)
        if isinstance(work, Coroutine):  # a task cancelled before its first step would leave it unawaited
            task.add_done_callback(lambda _task: work.close())
        task.add_done_callback(self._done)

    async def close(self) -> None:
        """End all tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Future[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures.append(error)


class FakeApiServices(FakeServices):
    """`ApiServices` of `appliance.api.api_parts`: `wall` is the clock, and `secrets` says what is in which file."""

    node = "node"
    identity = "llp1:fake"

    def __init__(self, *, wall: Callable[[], float] = lambda: 0.0, secrets: Mapping[str, bytes] | None = None) -> None:
        super().__init__()
        self.wall = wall
        self.secrets = dict(secrets or {})

    async def secret(self, reference: str) -> bytes:
        """What `secrets` says. Raises HostError for what it does not."""
        if reference not in self.secrets:
            raise HostError(f"no file {reference}", hint="name it in `secrets`")
        return self.secrets[reference].strip()


async def _until_the_end(work: Awaitable[None]) -> None:
    try:
        await work
    except EndOfTime:
        return
