"""What the core gives to what plugins bring to the API server (`api.api_parts.ApiServices`)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from appliance.api.services import Stats, judged
from appliance.api.storage import Storage
from appliance.foundation import clock, entropy
from appliance.foundation.logging import get_logger, once_per
from appliance.foundation.patience import limited
from appliance.foundation.tasks import Tasks
from appliance.plugin_host.calling import describe
from appliance.plugin_host.storage import KeptFolder

log = get_logger("api")

TELL_EVERY: Final = 60.0
"""Seconds between two log lines about the same trouble."""
STATS_SECONDS: Final = 0.5
"""How long a source of figures may take: everybody waits for it."""
LONGEST_REPORT: Final = 500
"""Characters that are kept of a report."""
MOST_UNTOLD: Final = 8
"""Reports that wait to be told; of more, the oldest are left out."""
BETWEEN: Final = 0.2
"""Seconds between two reports to the node: a plugin may have a thousand troubles a second."""


class NodeSide(Protocol):
    """What is asked of the node: `NodeLink` is one."""

    async def secret(self, reference: str) -> bytes:
        """What is in the file of a reference. Raises ApplianceError."""

    async def tell_part(self, key: str, name: str, problem: str) -> None:
        """Tell it how something of a plugin is."""


class PartState(NamedTuple):
    """How something of a plugin is."""

    problem: str
    """"" if it is well."""
    figures: Stats


class Joints(NamedTuple):
    """What all parts of plugins share."""

    node: str
    """The node's name."""
    identity: str
    """Its fingerprint."""
    link: NodeSide
    folder: Path
    """Below it each plugin has a folder of its own."""
    shared: dict[str, dict[str, Any]]
    """By plugin."""


class PartServices:
    """Of one part. `close` ends what it began."""

    section: Any = None

    def __init__(self, joints: Joints, plugin: str, key: str, name: str) -> None:
        self._joints = joints
        self._plugin = plugin
        self._key = key
        self._name = name
        self._tasks = Tasks()
        self._telling = Tasks()
        self.sources: list[Callable[[], Stats]] = []
        self._problem = ""
        self._untold: deque[str] = deque(maxlen=MOST_UNTOLD)
        self._tells = False
        self._ending = asyncio.Event()

    @property
    def node(self) -> str:
        """The node's name."""
        return self._joints.node

    @property
    def identity(self) -> str:
        """The node's fingerprint."""
        return self._joints.identity

    @property
    def shared(self) -> dict[str, Any]:
        """What the parts of the plugin share in this process."""
        return self._joints.shared.setdefault(self._plugin, {})

    @property
    def storage(self) -> Storage:
        """What the plugin keeps beside the API server's own."""
        return KeptFolder(self._joints.folder, self._plugin)

    def wall(self) -> float:
        """Unix seconds."""
        return clock.wall()

    async def secret(self, reference: str) -> bytes:
        """See the protocol."""
        return await self._joints.link.secret(reference)

    def report(self, problem: str) -> None:
        """To the node, until "" says that it is over."""
        problem = str(problem)[:LONGEST_REPORT]
        if problem == self._problem:
            self._log(problem)
            return
        self._problem = problem
        self._untold.append(problem)
        if not self._tells:
            self._tells = True
            self._telling.spawn(self._tell(), f"how {self._name} is")

    def spawn(self, work: Awaitable[None], name: str) -> None:
        """A task that ends with what was opened."""
        self._tasks.spawn(work, name, lambda error: self.report(describe(error)))

    async def sleep(self, seconds: float) -> None:
        """On the process's clock."""
        await asyncio.sleep(seconds)

    def jitter(self) -> float:
        """In [0, 1)."""
        return entropy.jitter()

    def stats_from(self, source: Callable[[], Stats]) -> None:
        """Ask it now and then, for the node's status."""
        self.sources.append(source)

    def figures(self) -> dict[str, Any]:
        """What the sources tell now. One that fails is trouble, and tells nothing."""
        found: dict[str, Any] = {}
        for source in self.sources:
            try:
                found |= limited(lambda source=source: judged(source()), STATS_SECONDS)  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001  whatever it is, it is the plugin's
                self.report(f"its figures: {describe(error)}")
        return found

    @property
    def state(self) -> PartState:
        """How it is now."""
        figures = self.figures()
        return PartState(self._problem, figures)

    async def end_tasks(self) -> None:
        """End what was spawned."""
        self.sources.clear()
        await self._tasks.close()

    async def close(self) -> None:
        """End all; what was told last is told."""
        await self.end_tasks()
        self._ending.set()
        await self._telling.settle()

    async def _tell(self) -> None:
        while self._untold:
            problem = self._untold.popleft()
            self._log(problem)
            await self._joints.link.tell_part(self._key, self._name, problem)
            with suppress(TimeoutError):
                async with asyncio.timeout(BETWEEN):
                    await self._ending.wait()
        self._tells = False

    def _log(self, problem: str) -> None:
        if problem and (times := once_per(TELL_EVERY, f"{self._key} {self._name} {problem}")):
            log.warning("a plugin has trouble", part=f"{self._key}.{self._name}", reason=problem, times=times)
