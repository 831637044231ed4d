"""Keeps the workers alive: starts them, and after a death another that takes over the dead one's packet device and its links.

Its sessions cannot be taken over, because only it had the keys: the node makes new ones over the paths there were. What comes by
its device meanwhile waits there, or, when the next start is not at once, is given to the others where the kernel does that. A
worker whose device has ended is not started again.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from appliance.api.monitoring import ClassFigures
from appliance.errors import ApplianceError
from appliance.foundation import clock
from appliance.foundation.logging import get_logger
from appliance.linux import interfaces
from appliance.runtime.links.table import Link, Links
from appliance.runtime.workers.data_channels import NOTHING, DataChannels, Used, Wishes
from appliance.runtime.workers.hearing import NodeListener, Spoken
from appliance.runtime.workers.pool import Knowledge, WorkerPool, together
from appliance.runtime.workers.process import WorkerProcess
from appliance.runtime.workers.tun_losses import REASON, TunLosses
from appliance.runtime.workers.watch import WorkerWatch

if TYPE_CHECKING:
    from appliance.api.crypto import CryptoSuite
    from appliance.runtime.workers.faults import WorkerFaults
    from appliance.runtime.workers.packet_device import PacketDevice

log = get_logger("worker")

PAUSES: Final = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Seconds before the next start after so many deaths within QUICK: the first is at once, since traffic waits. The last leaves
time for a start and a handshake within the five seconds in which traffic must be back; a start costs 0.1 s of CPU."""
QUICK: Final = 60.0
"""Deaths within so many seconds count together."""
DEGRADED_AFTER: Final = 3
"""So many quick deaths are no accident any more."""


class Node(NodeListener, Protocol):
    """The node that the workers work for."""

    def on_worker_lost(self, dead: Sequence[Link], kept: Container[int]) -> None:
        """A worker died: its streams are `dead`, and the keys of all sessions but those `kept` are gone."""


class WorkerKeeper:
    """The workers of the running node. `keep_pids(pids)` writes down which processes they are, `knowledge` tells new ones
    what the node knows, and `faults` hears what code of plugins did in them."""

    def __init__(
        self,
        links: Links,
        keep_pids: Callable[[Sequence[int]], None],
        suites: Iterable[CryptoSuite],
        drivers: Iterable[str],
        knowledge: Knowledge,
        faults: WorkerFaults,
        dropped: Callable[[str], int] = interfaces.dropped,
    ) -> None:
        self.faults = faults
        self._links = links
        self._keep_pids = keep_pids
        self._suites = tuple(suites)
        self._drivers = tuple(drivers)
        self._knowledge = knowledge
        self._node: Node | None = None
        self._devices: Sequence[PacketDevice] = ()
        self._resting: set[int] = set()
        self._slots = 0
        self.on_tun_lost: Callable[[int], None] = lambda _number: None
        """Called when a worker cannot read the TUN any more."""
        self.compression = False
        """Can the workers compress?"""
        self._spoken: Spoken = {}
        self._deaths: deque[float] = deque(maxlen=16)
        self._has_run = False
        self._prepared: list[WorkerProcess] = []
        self._reviving: set[asyncio.Task[None]] = set()
        self._earlier_drops: Counter[str] = Counter()
        self._tun_losses = TunLosses(dropped)
        self._earlier_classes: dict[str, ClassFigures] = {}
        self.current: WorkerPool | None = None
        self.restarts = 0
        self._channels = DataChannels()
        self.watch = WorkerWatch(self._living)

    @property
    def problem(self) -> str:
        """What is wrong: a worker is missing, or they die again and again; "" when all is well."""
        pool = self.pool()
        if pool is None:
            ended = bool(self._devices) and all(device.has_ended() for device in self._devices)
            return "its packet device has ended" if ended else "it does not run"
        if len(pool.living) < len(pool) or self._quick_deaths() >= DEGRADED_AFTER:
            return (
                "it died several times within a minute"
                if self._quick_deaths() >= DEGRADED_AFTER
                else "one of several does not run"
            )
        return ""

    @property
    def pids(self) -> tuple[int, ...]:
        """The workers' process numbers."""
        return self.current.pids if self.current else ()

    @property
    def offloads(self) -> Sequence[str]:
        """What the kernel's TUN does for us."""
        return sorted(self._devices[0].offloads) if self._devices else ()

    def pool(self) -> WorkerPool | None:
        """The workers of the moment; None when there is not one."""
        return self.current if self.current and self.current.living else None

    def drops(self) -> Counter[str]:
        """Packets dropped by reason, by dead workers too, and by the kernel before a worker could have them."""
        before_us = Counter({REASON: self._tun_losses.count()})
        return self._earlier_drops + before_us + (self.current.drops() if self.current else Counter())

    def waited(self) -> dict[int, float | None]:
        """Workers' process numbers, with the seconds for which the newest question whether it still turns waited in each."""
        return self.watch.waited()

    def classes(self) -> dict[str, ClassFigures]:
        """Traffic classes by name, dead workers' packets included."""
        now = self.current.classes() if self.current else {}
        return {name: together(self._earlier_classes.get(name), figures) for name, figures in now.items()}

    def load(self, suites: Iterable[CryptoSuite], drivers: Iterable[str]) -> None:
        """What workers import that start from now on: those that run can import nothing more."""
        self._suites, self._drivers = tuple(suites), tuple(drivers)

    def lacks(self, suites: Iterable[CryptoSuite], drivers: Iterable[str]) -> bool:
        """Is there something among these that the workers were not started with?"""
        return bool({*suites} - {*self._suites} or {*drivers} - {*self._drivers})

    def prepare(self, node: Node, slots: int, number: int) -> None:
        """Start the first workers' processes already; `start` goes on with them."""
        self._node, self._slots = node, slots
        self._prepared = [self._spawn(each) for each in range(number)]

    async def start(self, devices: Sequence[PacketDevice], node: Node, slots: int, *, compression: bool = False) -> None:
        """Start a worker on each device, with room for `slots` sessions; `compression`: they can. Raises what WorkerProcess.start
        raises."""
        self._devices, self._node, self._slots, self.compression = devices, node, slots, compression
        self._resting.clear()
        self._tun_losses.begin(devices[0].name)
        prepared, spare = self._prepared[: len(devices)], self._prepared[len(devices) :]
        self._prepared = []
        await asyncio.gather(*(self._give_up(worker) for worker in spare))
        prepared += [self._spawn(number) for number in range(len(prepared), len(devices))]
        workers = self.current = WorkerPool(len(devices), self._knowledge)
        try:
            for number, worker in enumerate(prepared):
                await self._bring_up(number, worker)
                workers.put(number, worker)
        except BaseException:
            self._prepared = [worker for worker in prepared if worker not in workers.living]
            await self._end_all()
            raise
        workers.begin()
        for worker in workers.living:
            self._channels.tell(worker)
        self._settle_in(workers)
        self.watch.start()

    def use_queues(self, queues: Sequence[PacketDevice], *, device: bool) -> None:
        """Let each worker use another queue of the TUN device from now on. `device` False: these are stand-ins, which neither
        give nor take packets."""
        self._devices = queues
        self._resting.clear()
        if self.current is not None:
            self.current.use_tun([queue.fd for queue in queues], device=device)

    def free_channel(self, peer: str, *, odd: bool) -> int | None:
        """As DataChannels.free."""
        return self._channels.free(peer, odd=odd)

    def open_channel(self, peer: str, channel: int, end: socket.socket, wishes: Wishes = NOTHING) -> None:
        """Join a data channel of a peer to a socket (see `data_channels`), which is the keeper's from now on. It stays joined
        when a worker dies, and until `stop`. Raises HostError if it cannot be; then the socket stays the caller's."""
        self._channels.open(peer, channel, end, self._living(), wishes)

    def close_channel(self, peer: str, channel: int) -> None:
        """Let go of a data channel; nothing happens if it is not open."""
        self._channels.close(peer, channel, self._living())

    def channel_closed(self, peer: str, channel: int, opening: int) -> None:
        """A worker has let go of a data channel."""
        self._channels.closed(peer, channel, opening, self._living())

    def channels_used(self, used: Sequence[tuple[str, int, int, int, int, int]]) -> None:
        """A worker tells what went through data channels."""
        for peer, channel, opening, *counted in used:
            self._channels.used(peer, channel, opening, Used(*counted))

    def _living(self) -> Sequence[WorkerProcess]:
        return self.current.living if self.current else ()

    async def stop(self) -> None:
        """End the workers in order."""
        self.watch.stop()
        reviving = list(self._reviving)
        for task in reviving:
            task.cancel()
        await asyncio.gather(*reviving, return_exceptions=True)
        await self._end_all()
        self._channels.close_all()
        self._keep_pids(())

    def _spawn(self, number: int) -> WorkerProcess:
        assert self._node is not None
        worker = WorkerProcess(_Ears(self, number, self._node), self._slots, self._spoken)
        worker.spawn()
        return worker

    async def _bring_up(self, number: int, worker: WorkerProcess) -> None:
        device = self._devices[number]
        await worker.start(device, suites=self._suites, drivers=self._drivers, compression=self.compression)
        self.faults.broken(worker.broken)

    def _settle_in(self, workers: WorkerPool) -> None:
        """Nobody is missing any more: give those who are there what nobody has."""
        assert self._node is not None
        self._keep_pids(workers.pids)
        dead = self._links.worker_lost(workers.complete_links)
        self._links.use_worker(workers, workers.complete_links)
        if self._has_run:
            self._node.on_worker_lost(dead, workers.sessions)
        self._has_run = True

    async def _end_all(self) -> None:
        workers, self.current = self.current, None
        ending = [*(workers.living if workers else ()), *self._prepared]
        self._prepared = []
        await asyncio.gather(*(worker.stop() for worker in ending))
        for worker in ending:
            self._forget(worker)

    def _forget(self, worker: WorkerProcess) -> None:
        self._earlier_drops.update(worker.drops())
        for name, figures in worker.classes().items():
            self._earlier_classes[name] = together(self._earlier_classes.get(name), figures)._replace(queued=0)
        worker.close()

    def link_closed(self, link: int) -> None:
        """A worker has closed a link."""
        if self.current is not None:
            self.current.link_closed(link)

    def died(self, number: int, code: int) -> None:
        """A worker ended without having been told to."""
        workers = self.current
        if workers is None:
            return
        dead = workers.lose(number)
        if dead is not None:
            self._forget(dead)
        if not code and self._devices[number].has_ended():
            log.info("the packet device has ended, and its worker with it", worker=number)
            self._settle_in(workers)
            return
        self._deaths.append(clock.monotonic())
        log.error("the worker died; starting another", code=code, times=self._quick_deaths())
        task = asyncio.get_running_loop().create_task(self._revive(workers, number), name=f"revive worker {number}")
        self._reviving.add(task)
        task.add_done_callback(self._reviving.discard)

    async def _revive(self, workers: WorkerPool, number: int) -> None:
        while True:
            pause = PAUSES[min(self._quick_deaths() - 1, len(PAUSES) - 1)]
            if pause and workers.living:
                self._rest(number)
            await asyncio.sleep(pause)
            worker = self._spawn(number)
            try:
                await self._bring_up(number, worker)
            except (ApplianceError, OSError):
                await self._give_up(worker)
                self._deaths.append(clock.monotonic())
                log.exception("the worker does not start")
                continue
            except BaseException:
                await self._give_up(worker)
                raise
            workers.put(number, worker)
            self._channels.tell(worker)
            self._serve(number)
            self._settle_in(workers)
            self.restarts += 1
            log.info("worker restarted", pid=worker.pid, restarts=self.restarts)
            return

    async def _give_up(self, worker: WorkerProcess) -> None:
        await worker.stop()
        worker.close()

    def _rest(self, number: int) -> None:
        """Let the kernel give a dead worker's packets to the others. Only where its next start is not at once: when a queue goes
        and comes, the kernel moves flows and drops packets meanwhile."""
        if number in self._resting:
            return
        try:
            self._devices[number].rest()
        except OSError as error:
            log.warning("packets wait for a worker that died", reason=str(error))
        else:
            self._resting.add(number)

    def _serve(self, number: int) -> None:
        if number in self._resting:
            self._resting.discard(number)
            try:
                self._devices[number].serve()
            except OSError as error:  # the device is gone: the control process knows and acts
                log.warning("a worker gets no packets from the TUN device", reason=str(error))

    def _quick_deaths(self) -> int:
        since = clock.monotonic() - QUICK
        return sum(1 for death in self._deaths if death >= since)


class _Ears:
    """What one worker says; nothing is heard of one that was given up."""

    def __init__(self, keeper: WorkerKeeper, number: int, node: Node) -> None:
        self._keeper = keeper
        self._number = number
        self._node = node
        self.on_packet = node.on_packet
        self.on_message = node.on_message
        self.on_want = node.on_want
        self.on_moved = node.on_moved
        self.on_aside = node.on_aside
        self.on_stalled = node.on_stalled
        self.on_loss = node.on_loss
        self.on_link_limited = node.on_link_limited
        self.on_link_offload = node.on_link_offload
        self.on_raised = node.on_raised
        self.on_misheard = node.on_misheard
        self.on_fault = keeper.faults.raised
        self.on_last_words = keeper.faults.last_words

    def on_link_closed(self, link: int) -> None:
        self._keeper.link_closed(link)
        self._node.on_link_closed(link)

    def on_channels_used(self, used: Sequence[tuple[str, int, int, int, int, int]]) -> None:
        self._keeper.channels_used(used)

    def on_channel_closed(self, peer: str, channel: int, opening: int) -> None:
        self._keeper.channel_closed(peer, channel, opening)

    def on_tun_lost(self, number: int) -> None:
        self._keeper.on_tun_lost(number)

    def on_exit(self, code: int) -> None:
        self._keeper.died(self._number, code)
