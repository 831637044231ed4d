"""Runs what may hang in threads of its own, so that an event loop waits for it no longer than it wants to.

A thread cannot be ended from outside. One that is late is left behind, and counts until it ends by itself: there are never more
than a few.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import TypeVar

from appliance.foundation.patience import TookTooLong, as_exception, place

Result = TypeVar("Result")


class Busy(Exception):
    """All threads that there may be are still at earlier calls."""


class Aside:
    """The threads of one purpose, at most `most` at a time. `name` is theirs."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._running = 0

    @property
    def idle(self) -> bool:
        """Have all its threads ended?"""
        return not self._running

    async def run(self, deed: Callable[[], Result], seconds: float) -> Result:
        """What `deed` returns or raises, as an Exception. Raises TookTooLong when that takes longer than `seconds`, Busy at once
        when there is no thread left for it. Cancelling does not end the thread either."""
        if self._running >= self._most:
            raise Busy(f"{self._running} earlier calls have not ended")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()

        def work() -> None:
            outcome: Callable[[], None]
            try:
                outcome = functools.partial(done.set_result, deed())
            except BaseException as raised:  # noqa: BLE001  raised again where it was called
                outcome = functools.partial(done.set_exception, as_exception(raised))
            with suppress(RuntimeError):  # the loop is closed, and nobody waits
                loop.call_soon_threadsafe(settle, outcome)

        def settle(outcome: Callable[[], None]) -> None:
            self._running -= 1
            if not done.done():
                outcome()

        thread = threading.Thread(target=work, name=self._name, daemon=True)
        thread.start()
        self._running += 1
        await asyncio.wait({done}, timeout=seconds)
        if not done.done():
            done.cancel()
            frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001  documented, and named so as a warning
            raise TookTooLong(f"did not end within {seconds:g} s{place(frame)}")
        return done.result()


class Asides:
    """The same for each of many, at most `most` for one: who makes calls hang takes the threads of nobody else."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._of: dict[Hashable, Aside] = {}

    async def run(self, whose: Hashable, deed: Callable[[], Result], seconds: float) -> Result:
        """As Aside.run, with the threads of `whose`."""
        aside = self._of.setdefault(whose, Aside(self._name, self._most))
        try:
            return await aside.run(deed, seconds)
        finally:
            self._of = {key: each for key, each in self._of.items() if not each.idle}
