"""Runs the profile's monitors. They fail soft: one that does not start or stop is named, and traffic flows on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

from appliance.api.monitoring import MonitoringServices, MonitorKind
from appliance.runtime.logging import get_logger
from appliance.runtime.plugin_account import Tell, nobody

log = get_logger("monitoring")

LIMIT = 5.0
"""Seconds a monitor may take to start or stop."""


class _Running(NamedTuple):
    settings: Mapping[str, Any]
    context: AbstractAsyncContextManager[object]


class Monitors:
    """The monitors of the running node by kind. `problems` names those that do not run; `tell` hears of those of plugins."""

    def __init__(self, kinds: Mapping[str, MonitorKind], services: MonitoringServices, tell: Tell = nobody) -> None:
        self._kinds = kinds
        self._tell = tell
        self._services = services
        self._running: dict[str, _Running] = {}
        self.problems: dict[str, str] = {}

    async def use(self, wanted: Mapping[str, Mapping[str, Any]]) -> None:
        """Run these and no others; one whose settings did not change is left alone."""
        for name in [name for name, running in self._running.items() if wanted.get(name) != running.settings]:
            await self._stop(name)
        for name in [name for name in self.problems if name not in wanted]:
            self._well(name)
        for name, settings in wanted.items():
            if name not in self._running:
                await self._start(name, settings)

    async def close(self) -> None:
        """Stop all."""
        for name in list(reversed(self._running)):
            await self._stop(name)

    async def _start(self, name: str, settings: Mapping[str, Any]) -> None:
        kind = self._kinds.get(name)
        if kind is None:
            self._trouble(name, f"no enabled plugin offers monitoring kind {name!r}")
            return
        try:
            context = kind.open(kind.settings().model_validate(settings), self._services)
            async with asyncio.timeout(LIMIT):
                await context.__aenter__()
        except Exception as error:  # noqa: BLE001  a plugin's fault must not end the daemon
            self._trouble(name, f"{type(error).__name__}: {error}")
        else:
            self._running[name] = _Running(settings, context)
            self._well(name)

    async def _stop(self, name: str) -> None:
        running = self._running.pop(name)
        try:
            async with asyncio.timeout(LIMIT):
                await running.context.__aexit__(None, None, None)
        except Exception as error:  # a plugin's fault must not end the daemon
            log.exception("a monitor failed to stop", kind=name)
            self._tell("monitor", name, f"it did not stop: {type(error).__name__}: {error}")

    def _trouble(self, name: str, problem: str) -> None:
        self.problems[name] = problem
        self._tell("monitor", name, problem)
        log.error("a monitor does not run; traffic is not affected", kind=name, reason=problem)

    def _well(self, name: str) -> None:
        self.problems.pop(name, None)
        self._tell("monitor", name, "")
