"""Runs the profile's monitors. They fail soft: one that does not start or stop is named, and traffic flows on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from appliance.api.monitoring import MonitorKind, NodeFigures
from appliance.errors import PluginFault
from appliance.foundation.logging import get_logger
from appliance.plugin_host.calling import describe
from appliance.runtime.plugins.account import Part
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.plugins.services import PluginServices, opening
from appliance.runtime.plugins.stay import Stay

log = get_logger("monitoring")

LIMIT = 5.0
"""Seconds a monitor may take to start or stop."""


class Shown(Protocol):
    """Where figures come from."""

    def figures(self) -> NodeFigures:
        """The figures now."""


class _Running(NamedTuple):
    settings: Mapping[str, Any]
    stay: Stay
    services: PluginServices


class _Services(PluginServices):
    """What one monitor gets from the core (api.monitoring.MonitoringServices)."""

    def __init__(self, shown: Shown, kind: str, calls: PluginCalls) -> None:
        super().__init__(calls, "monitor", kind)
        self._shown = shown

    def figures(self) -> NodeFigures:
        return self._shown.figures()


class Monitors:
    """The monitors of the running node by kind. `problems` names those that do not run."""

    def __init__(self, kinds: Mapping[str, MonitorKind], shown: Shown, calls: PluginCalls | None = None) -> None:
        self._kinds = kinds
        self._calls = calls or PluginCalls()
        self._shown = shown
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
        services = _Services(self._shown, name, self._calls)
        try:
            context = self._calls.call(Part("monitor", name), opening(kind, settings, services))
            stay = Stay(context, f"monitor {name}", lambda error: self._ended(name, error))
            await stay.enter(LIMIT)
        except Exception as error:  # noqa: BLE001  a plugin's fault must not end the daemon
            await services.close()
            self._failed(name, error)
        else:
            self._running[name] = _Running(settings, stay, services)
            self._well(name)

    async def _stop(self, name: str) -> None:
        running = self._running.pop(name)
        try:
            await running.stay.leave(LIMIT)
        except Exception as error:  # noqa: BLE001  a plugin's fault must not end the daemon
            self._calls.failed(Part("monitor", name), f"it did not stop: {describe(error)}")
        await running.services.close()

    def _ended(self, name: str, error: Exception | None) -> None:
        """A monitor is over although nobody stopped it."""
        self._running.pop(name, None)
        self._failed(name, "it ended by itself" + (f": {describe(error)}" if error else ""))

    def _failed(self, name: str, error: Exception | str) -> None:
        fault = error if isinstance(error, PluginFault) else self._calls.failed(Part("monitor", name), error)
        self._trouble(name, fault.message)

    def _trouble(self, name: str, problem: str) -> None:
        self.problems[name] = problem
        log.error("a monitor does not run; traffic is not affected", kind=name, reason=problem)

    def _well(self, name: str) -> None:
        self.problems.pop(name, None)
        self._calls.well(Part("monitor", name))
