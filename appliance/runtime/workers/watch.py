"""Watches the workers: asks each every second whether it still turns, and ends one that has not answered for long.

Silence is counted in looks that this process came to take, so a machine that was suspended, or a control process that was stopped
itself, ends nobody. What a worker used of the CPU meanwhile says whether it is stopped or waits, or is in a long turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from appliance.foundation import clock
from appliance.foundation.logging import get_logger

log = get_logger("worker")

EVERY: Final = 1.0
"""Seconds between two questions."""
SILENT: Final = 6
"""Looks without an answer and without work that end a worker: it is stopped, or a driver of it waits for something."""
BUSY: Final = 15
"""Looks without an answer that end a worker which works all the while. The longest turn known takes a tenth of a second; even so
another has begun before systemd's 60 seconds are over."""
WORKING: Final = 0.02
"""Seconds of CPU between two looks from which on a worker counts as working: a stopped one uses none."""


class Worker(Protocol):
    """What is asked of a worker here."""

    @property
    def pid(self) -> int:
        """Its process number."""

    def ask(self, number: int) -> None:
        """Send a question."""

    def beat(self) -> int:
        """The newest question it has come to."""

    def beat_at(self) -> float:
        """When it came to that, in seconds of the monotonic clock."""

    def kill(self) -> None:
        """End it."""


class Pulse:
    """What is known of one worker's answers. `cpu_seconds(pid)` is the CPU time it has used."""

    def __init__(self, worker: Worker, cpu_seconds: Callable[[int], float | None] = clock.cpu_seconds) -> None:
        self._worker = worker
        self._cpu_seconds = cpu_seconds
        self._asked = worker.beat()
        self._used = 0.0
        self._idle = 0
        self._asked_at = 0.0
        self.silent = 0
        """Looks since the question that it has not answered."""

    @property
    def working(self) -> bool:
        """Did it use the CPU since it fell silent?"""
        return self._idle < self.silent

    @property
    def lost(self) -> bool:
        """Has it been silent for so long that only another worker helps?"""
        return self._idle >= SILENT or self.silent >= BUSY

    @property
    def waited(self) -> float | None:
        """Seconds for which the newest question waited in the worker; None while it has not come to it."""
        answered = self._asked_at and self._worker.beat() == self._asked
        return max(self._worker.beat_at() - self._asked_at, 0.0) if answered else None

    def look(self) -> None:
        """Ask it, or note that it has not answered yet."""
        used = self._cpu_seconds(self._worker.pid) or 0.0
        worked, self._used = used - self._used >= WORKING, used
        if self._worker.beat() == self._asked:
            self._asked += 1
            self._idle = self.silent = 0
            self._asked_at = clock.monotonic()
            self._worker.ask(self._asked)
            return
        self.silent += 1
        self._idle = 0 if worked else self._idle + 1


class WorkerWatch:
    """Watches whatever workers `living` names, from `start` to `stop`."""

    def __init__(self, living: Callable[[], Iterable[Worker]]) -> None:
        self._living = living
        self._pulses: dict[Worker, Pulse] = {}
        self._next: asyncio.TimerHandle | None = None

    @property
    def alive(self) -> bool:
        """Is there a worker that answers?"""
        return any(not self._pulses[worker].silent for worker in self._living() if worker in self._pulses)

    def waited(self) -> dict[int, float | None]:
        """For how long the newest question waited in each worker, by its process number."""
        found = ((worker, self._pulses.get(worker)) for worker in self._living())
        return {worker.pid: None if pulse is None else pulse.waited for worker, pulse in found}

    def start(self) -> None:
        """Begin to look. Nothing happens when it looks already."""
        if self._next is None:
            self._look_again()

    def stop(self) -> None:
        """Look no more."""
        if self._next is not None:
            self._next.cancel()
        self._next = None
        self._pulses.clear()

    def _look_again(self) -> None:
        self._next = asyncio.get_running_loop().call_later(EVERY, self._look_again)
        self.look()

    def look(self) -> None:
        """Ask all, and end who is lost."""
        self._pulses = {worker: self._pulses.get(worker) or Pulse(worker) for worker in self._living()}
        for worker, pulse in self._pulses.items():
            pulse.look()
            if pulse.lost:
                log.error(
                    "the worker does not answer; ending it",
                    pid=worker.pid,
                    seconds=pulse.silent * EVERY,
                    working=pulse.working,
                )
                worker.kill()
