"""Shares out the event loop's time: what strangers have this node do gets a bounded part of it, however many they are.

A turn of the loop is spent on them for TURN_SECONDS at most, one step of each connection after the other. While there is more to
do, others have the loop for REST_SECONDS. What waits is bounded by whoever adds it: a connection whose bytes wait is not read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

TURN_SECONDS: Final = 0.005
REST_SECONDS: Final = 0.005
"""At most half of the process's time is theirs."""
TASK_SECONDS: Final = 0.0005
"""What a task that a step wakes up counts for: it runs after the turn, for an answer of Kademlia at most."""

SECONDS_A_BYTE: Final = 0.4e-6
"""That a message takes to be read which consists of the shortest fields."""

Step = Callable[[], bool]
"""Does a little. Returns whether there is more to do."""


class Turns:
    """`now` gives seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._waiting: dict[object, deque[tuple[Step, float]]] = {}
        """Steps and what each counts for besides its own time, by whose they are; who is first has the next step."""
        self._works = False
        """Will `_work` be called?"""

    def add(self, whose: object, step: Step, counts: float = 0.0) -> None:
        """Have it called in turn, until it returns False. It must not raise."""
        self._waiting.setdefault(whose, deque()).append((step, counts))
        if not self._works:
            self._works = True
            asyncio.get_running_loop().call_soon(self._work)

    async def turn(self, whose: object, counts: float = TASK_SECONDS) -> None:
        """Wait for one's turn to do what takes so many seconds at most."""
        granted = asyncio.get_running_loop().create_future()

        def grant() -> bool:
            if not granted.done():
                granted.set_result(None)
            return False

        self.add(whose, grant, counts)
        await granted

    def _work(self) -> None:
        end = self._now() + TURN_SECONDS
        while self._waiting:
            end -= self._step()
            if self._now() >= end and self._waiting:
                asyncio.get_running_loop().call_later(REST_SECONDS, self._work)
                return
        self._works = False

    def _step(self) -> float:
        """One step of who has waited longest. Returns what it counts for."""
        whose = next(iter(self._waiting))
        steps = self._waiting.pop(whose)
        step, counts = steps.popleft()
        more = step()
        steps.extend(self._waiting.pop(whose, ()))  # what the step itself has added
        if more:
            steps.append((step, counts))
        if steps:
            self._waiting[whose] = steps
        return counts
