"""Keeps one worker alive: starts it, and after its death starts another that takes over the TUN and the links.

Sessions cannot be taken over, because only the dead worker had the keys: the node makes new ones over the paths there were.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from appliance.api.monitoring import ClassFigures
from appliance.errors import ApplianceError
from appliance.runtime import clock, orphans
from appliance.runtime.links import Links
from appliance.runtime.logging import get_logger
from appliance.runtime.worker_process import WorkerProcess

if TYPE_CHECKING:
    from appliance.api.crypto import CryptoSuite
    from appliance.linux.tun import TunDevice
    from appliance.runtime.node_driver import NodeDriver

log = get_logger("worker")

PAUSES: Final = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Seconds before the next start after so many deaths within QUICK: the first is at once, since traffic waits. The last leaves
time for a start and a handshake within the five seconds in which traffic must be back; a start costs 0.1 s of CPU."""
QUICK: Final = 60.0
"""Deaths within so many seconds count together."""
DEGRADED_AFTER: Final = 3
"""So many quick deaths are no accident any more."""


class WorkerKeeper:
    """The worker of the running node. `refill(worker)` gives a new one peers and routes."""

    def __init__(
        self,
        links: Links,
        state_dir: Path,
        suites: Iterable[CryptoSuite],
        drivers: Iterable[str],
        refill: Callable[[WorkerProcess], None],
    ) -> None:
        self._links = links
        self._state_dir = state_dir
        self._suites = tuple(suites)
        self._drivers = tuple(drivers)
        self._refill = refill
        self._driver: NodeDriver | None = None
        self._tun: TunDevice | None = None
        self._slots = 0
        self.compression = False
        """Can the worker compress?"""
        self._deaths: deque[float] = deque(maxlen=16)
        self._has_run = False
        self._prepared: WorkerProcess | None = None
        self._reviving: asyncio.Task[None] | None = None
        self._earlier_drops: Counter[str] = Counter()
        self._earlier_classes: dict[str, ClassFigures] = {}
        self.current: WorkerProcess | None = None
        self.restarts = 0

    @property
    def degraded(self) -> bool:
        """Is there no worker, or does it die again and again?"""
        return self.current is None or self._quick_deaths() >= DEGRADED_AFTER

    @property
    def pid(self) -> int:
        """The worker's process number; 0 when there is none."""
        return self.current.pid if self.current else 0

    @property
    def offloads(self) -> Sequence[str]:
        """What the kernel's TUN does for us."""
        return sorted(self._tun.offloads) if self._tun else ()

    def worker(self) -> WorkerProcess | None:
        """The worker of the moment."""
        return self.current

    def drops(self) -> Counter[str]:
        """Packets dropped by reason, by dead workers too."""
        return self._earlier_drops + Counter(self.current.drops() if self.current else {})

    def classes(self) -> dict[str, ClassFigures]:
        """Traffic classes by name, dead workers' packets included."""
        now = self.current.classes() if self.current else {}
        return {name: _together(self._earlier_classes.get(name), figures) for name, figures in now.items()}

    def prepare(self, driver: NodeDriver, slots: int) -> None:
        """Start the first worker's process already; `start` goes on with it."""
        self._driver, self._slots = driver, slots
        self._prepared = WorkerProcess(_Ears(self, driver), slots)
        self._prepared.spawn()

    async def start(self, tun: TunDevice, driver: NodeDriver, slots: int, *, compression: bool = False) -> None:
        """Start a worker on `tun`. `slots` bounds its sessions; `compression`: it can. Raises what WorkerProcess.start raises."""
        self._tun, self._driver, self._slots, self.compression = tun, driver, slots, compression
        await self._start()

    async def stop(self) -> None:
        """End the worker in order."""
        if self._reviving is not None:
            self._reviving.cancel()
            await asyncio.gather(self._reviving, return_exceptions=True)
        await self._end_current()
        orphans.forget(self._state_dir)

    async def _start(self) -> None:
        assert self._tun is not None
        assert self._driver is not None
        worker, self._prepared = self._prepared or WorkerProcess(_Ears(self, self._driver), self._slots), None
        try:
            await worker.start(
                self._tun.fd,
                vnet=self._tun.vnet_hdr,
                suites=self._suites,
                drivers=self._drivers,
                compression=self.compression,
            )
        except BaseException:
            await worker.stop()
            worker.close()
            raise
        orphans.remember(self._state_dir, worker.pid)
        self.current = worker
        self._refill(worker)
        dead = self._links.worker_lost()
        self._links.use_worker(worker)
        if self._has_run:
            self._driver.on_worker_lost(dead)
        self._has_run = True

    async def _end_current(self) -> None:
        worker, self.current, self._prepared = self.current or self._prepared, None, None
        if worker is not None:
            await worker.stop()
            self._forget(worker)

    def _forget(self, worker: WorkerProcess) -> None:
        self._earlier_drops.update(worker.drops())
        for name, figures in worker.classes().items():
            self._earlier_classes[name] = _together(self._earlier_classes.get(name), figures)._replace(queued=0)
        worker.close()

    def died(self, code: int) -> None:
        """The worker ended without having been told to."""
        worker, self.current = self.current, None
        if worker is not None:
            self._forget(worker)
        self._deaths.append(clock.monotonic())
        log.error("the worker died; starting another", code=code, times=self._quick_deaths())
        self._reviving = asyncio.get_running_loop().create_task(self._revive(), name="revive worker")

    async def _revive(self) -> None:
        while True:
            await asyncio.sleep(PAUSES[min(self._quick_deaths() - 1, len(PAUSES) - 1)])
            try:
                await self._start()
            except (ApplianceError, OSError):
                self._deaths.append(clock.monotonic())
                log.exception("the worker does not start")
                continue
            self.restarts += 1
            log.info("worker restarted", pid=self.pid, restarts=self.restarts)
            return

    def _quick_deaths(self) -> int:
        since = clock.monotonic() - QUICK
        return sum(1 for death in self._deaths if death >= since)


def _together(earlier: ClassFigures | None, figures: ClassFigures) -> ClassFigures:
    return figures if earlier is None else ClassFigures(*map(sum, zip(earlier, figures, strict=True)))


class _Ears:
    """What one worker says; nothing is heard of one that was given up."""

    def __init__(self, keeper: WorkerKeeper, driver: NodeDriver) -> None:
        self._keeper = keeper
        self.on_packet = driver.on_packet
        self.on_message = driver.on_message
        self.on_want = driver.on_want
        self.on_moved = driver.on_moved
        self.on_stalled = driver.on_stalled
        self.on_loss = driver.on_loss
        self.on_link_closed = driver.on_link_closed
        self.on_link_limited = driver.on_link_limited

    def on_exit(self, code: int) -> None:
        self._keeper.died(code)
