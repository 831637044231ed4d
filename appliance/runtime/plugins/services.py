"""What the core gives to everything it opens for a plugin (api.services.Services), and how it opens it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from appliance.api.kinds import Kind, settings_of
from appliance.api.services import Stats
from appliance.api.storage import Storage
from appliance.foundation import entropy
from appliance.foundation.tasks import Tasks
from appliance.runtime.plugins.account import Noun, Part
from appliance.runtime.plugins.calls import PluginCalls

REPORT, TASK = "report", "task"
"""The members on whose account is what a plugin reports, and what a task of its own raises."""
LONGEST_REPORT = 500
"""Characters that are kept of a report."""


class PluginServices:
    """The base of each family's services. `close` ends what was spawned."""

    def __init__(self, calls: PluginCalls, noun: Noun, kind: str) -> None:
        self._calls = calls
        self._part = Part(noun, kind)
        self._tasks = Tasks()
        self._sources: list[Callable[[], Stats]] = []

    @property
    def section(self) -> Any:
        """The plugin's section of the profile in force."""
        return self._calls.section(self._part)

    @property
    def shared(self) -> dict[str, Any]:
        """What the parts of the plugin share."""
        return self._calls.shared(self._part)

    @property
    def storage(self) -> Storage:
        """What the plugin keeps."""
        return self._calls.storage(self._part)

    def report(self, problem: str) -> None:
        """On the plugin's account, until "" says that it is over."""
        self._calls.reported(self._part._replace(member=REPORT), str(problem)[:LONGEST_REPORT])

    def spawn(self, work: Awaitable[None], name: str) -> None:
        """A task that ends with what was opened."""
        self._tasks.spawn(work, name, self._failed)

    async def sleep(self, seconds: float) -> None:
        """On the daemon's clock."""
        await asyncio.sleep(seconds)

    def jitter(self) -> float:
        """In [0, 1)."""
        return entropy.jitter()

    def stats_from(self, source: Callable[[], Stats]) -> None:
        """Ask it when somebody looks."""
        self._sources.append(source)
        self._calls.sources[source] = self._part

    async def close(self) -> None:
        """End all tasks; what was reported is over, and nobody asks for figures any more."""
        for source in self._sources:
            self._calls.sources.pop(source, None)
        await self._tasks.close()
        self.report("")

    def _failed(self, error: Exception) -> None:
        self._calls.failed(self._part._replace(member=TASK), error)


def opening(kind: Kind, written: Mapping[str, Any], services: PluginServices) -> Callable[[], Any]:
    """A deed that opens `kind` with the settings `written` in the profile: for `PluginCalls.call`."""

    def deed() -> Any:
        opened = kind.open(settings_of(kind, written), services)
        if callable(source := getattr(opened, "stats", None)):
            services.stats_from(source)
        return opened

    return deed
