"""What every monitoring kind does: start, show, survive figures of all sorts, stop and leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from appliance.api.kinds import settings_of
from appliance.api.monitoring import MonitorKind, NodeFigures
from appliance.testing.conformance.kinds import KindConformance
from appliance.testing.conformance.limits import open_descriptors
from appliance.testing.conformance.turning import Turning
from appliance.testing.monitoring import FIGURES, SESSION, FakeMonitoringServices

START_STOP_SECONDS = 5.0
"""What the daemon grants a monitor to start and to stop."""
TURNS = 100
"""Of the loop, which a monitor's own tasks get before it is looked at."""
STRANGE_FIGURES = {
    "nothing yet": FIGURES._replace(sessions=(), drops={}, handshakes={}, components={}, peers_configured=0, uptime=0.0),
    "not ready": FIGURES._replace(ready=False, components={"worker": "it died several times within a minute"}),
    "no round trip": FIGURES._replace(sessions=(SESSION._replace(rtt=None),)),
    "two sessions of a peer": FIGURES._replace(sessions=(SESSION, SESSION._replace(session_id="other", age=1.0))),
    "odd names": FIGURES._replace(drops={'with "quotes"\n': 1}, components={"plugin.x": "a \\ and ünïcödé"}),
    "large numbers": FIGURES._replace(sessions=(SESSION._replace(rx_bytes=2**63),), uptime=1e9),
}


class MonitoringConformance(KindConformance):
    """Subclass it, name the subclass Test…, and return your kind and settings that work on any machine: ports as 0, so that tests
    can run side by side."""

    noun = "monitor"

    def kind(self) -> MonitorKind:
        """The kind to try."""
        raise NotImplementedError

    async def look(self, monitor: object) -> None:
        """Make the monitor show its figures, as its user would. `monitor` is what its context gave. Override it."""

    def play(self, services: FakeMonitoringServices, deed: Callable[[object], Awaitable[None]] | None = None) -> None:
        """Start the monitor, do `deed` (or look at it), stop it."""

        async def run() -> None:
            watch, context = _TaskWatch(), self.opened(services)
            async with Turning():
                async with asyncio.timeout(START_STOP_SECONDS):
                    monitor = await context.__aenter__()
                try:
                    await (deed or self.look)(monitor)
                    self.check_figures(context, services)
                    await watch.assert_well()
                finally:
                    async with asyncio.timeout(START_STOP_SECONDS):
                        await context.__aexit__(None, None, None)
                    await services.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if others:
                await asyncio.wait(others, timeout=1)
            assert not [task for task in others if not task.done()], "tasks were left behind"

        asyncio.run(run())

    def test_it_has_defaults(self) -> None:
        settings_of(self.kind(), {})

    def test_it_starts_shows_and_stops(self) -> None:
        self.play(FakeMonitoringServices())

    def test_it_starts_again(self) -> None:
        for _ in range(2):
            self.play(FakeMonitoringServices())

    @pytest.mark.parametrize("figures", STRANGE_FIGURES.values(), ids=STRANGE_FIGURES)
    def test_it_shows_figures_of_all_sorts(self, figures: NodeFigures) -> None:
        self.play(FakeMonitoringServices(figures))

    def test_it_follows_the_figures(self) -> None:
        services = FakeMonitoringServices()

        async def deed(monitor: object) -> None:
            for figures in STRANGE_FIGURES.values():
                services.current = figures
                await self.look(monitor)

        self.play(services, deed)

    def test_it_asks_for_figures_only_when_somebody_looks(self) -> None:
        services = FakeMonitoringServices()

        async def deed(monitor: object) -> None:
            del monitor
            await asyncio.sleep(0)

        self.play(services, deed)
        assert services.asked <= 1

    def test_it_leaves_no_descriptor_behind(self) -> None:
        self.play(FakeMonitoringServices())
        before = open_descriptors()
        self.play(FakeMonitoringServices())
        gc.collect()
        assert open_descriptors() <= before


class _TaskWatch:
    """The tasks and callbacks of the running loop that fail where nobody hears of it."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Future[Any]] = []
        self._failures: list[str] = []
        loop = asyncio.get_running_loop()
        loop.set_task_factory(self._make)
        loop.set_exception_handler(
            lambda _loop, context: self._failures.append(str(context.get("exception") or context["message"]))
        )

    async def assert_well(self) -> None:
        """What was started by now still runs, or has ended well."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                self._failures.append(f"task {getattr(task, 'get_coro', str)()}: {type(error).__name__}: {error}")
        assert not self._failures, f"something of it failed in silence: {self._failures}"

    def _make(self, loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Future[Any]:
        task: asyncio.Future[Any] = asyncio.Task(work, loop=loop, **more)
        self._tasks.append(task)
        return task
