"""One direction of a non-blocking socket: waits until the kernel can go on, up to a deadline that may be moved meanwhile.

Nothing is read or written here, so cancelling a wait loses no byte: `asyncio`'s own `sock_recv` reads before the waiter runs
again, and what it read is gone if that one was cancelled in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from appliance.sdk.errors import ConnectionLost, DeadlineExceeded

AT_ONCE: Final = 64
"""Deeds without a wait until others have their turn: a peer that always has more to say does not keep the event loop."""


class Direction:
    """`watch(wake)` has the loop call `wake` when the kernel can go on, `unwatch()` ends that."""

    def __init__(self, what: str, watch: Callable[[Callable[[], None]], None], unwatch: Callable[[], object]) -> None:
        self._what = what
        self._watch = watch
        self._unwatch = unwatch
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Future[Exception | None]] = set()
        self._until: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._deeds = 0

    def set_deadline(self, seconds: float | None) -> None:
        """Whatever waits or begins later gives up so many seconds from now; None: never. Replaces the deadline before."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._until = None if seconds is None else self._loop.time() + seconds
        if self._until is not None and not self._closed:
            self._timer = self._loop.call_at(self._until, self._expire)

    async def begin(self) -> None:
        """Before each deed. Raises DeadlineExceeded, ConnectionLost if it is closed here."""
        if self._closed:
            raise _closed_here()
        if self._until is not None and self._loop.time() >= self._until:
            raise self._late()
        self._deeds += 1
        if self._deeds >= AT_ONCE:
            self._deeds = 0
            await asyncio.sleep(0)
            if self._closed:
                raise _closed_here()

    async def ready(self) -> None:
        """Wait until the kernel may go on. Raises DeadlineExceeded, ConnectionLost if it is closed here meanwhile."""
        self._deeds = 0
        waiting: asyncio.Future[Exception | None] = self._loop.create_future()
        if not self._waiting:
            self._watch(self._wake)
        self._waiting.add(waiting)
        try:
            error = await waiting
        finally:
            self._waiting.discard(waiting)
            if not self._waiting and not self._closed:
                self._unwatch()
        if error is not None:
            raise error

    def close(self) -> None:
        """Nothing waits any more. To be called before the socket is closed."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._waiting:
            self._unwatch()
        self._end(_closed_here)

    def _wake(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def _expire(self) -> None:
        self._timer = None
        self._end(self._late)

    def _end(self, error: Callable[[], Exception]) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(error())

    def _late(self) -> DeadlineExceeded:
        return DeadlineExceeded(f"the deadline for {self._what} has passed", hint="set a later one, and go on or close")


def _closed_here() -> ConnectionLost:
    return ConnectionLost("the connection is closed, by this program", hint="open a new one")
