"""A plugin's async context manager, entered and left by one task of its own: what it does to its task is done to nobody else.

A context that ends while it should run (its group of tasks failed, it was cancelled) is noticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from appliance.foundation.patience import as_exception
from appliance.runtime.plugins.calls import Late

Ended = Callable[[Exception | None], None]


class Stay:
    """Inside of `context` from `enter` to `leave`. `ended(error)` is called when it ends between the two."""

    def __init__(self, context: AbstractAsyncContextManager[object], name: str, ended: Ended) -> None:
        self._context = context
        self._name = name
        self._ended = ended
        self._inside = asyncio.Event()
        self._leave = asyncio.Event()
        self._error: Exception | None = None
        self._task: asyncio.Task[None] | None = None

    async def enter(self, limit: float) -> None:
        """Raises what entering raises, Late after `limit` seconds; then there is nothing to leave."""
        task = self._task = asyncio.get_running_loop().create_task(self._live(), name=self._name)
        inside = asyncio.get_running_loop().create_task(self._inside.wait(), name=f"{self._name} starts")
        try:
            await asyncio.wait({task, inside}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            inside.cancel()
        if task.done() and not self._inside.is_set():
            raise self._error or RuntimeError("it ended before it began")
        if not self._inside.is_set():
            self._leave.set()
            task.cancel()
            raise Late(f"did not start within {limit:g} s")
        task.add_done_callback(self._over)

    async def leave(self, limit: float) -> None:
        """Raises what leaving raises, Late after `limit` seconds. Safe to call when it has ended by itself."""
        task = self._task
        assert task is not None
        if self._leave.is_set() or task.done():
            return
        self._leave.set()
        try:
            await asyncio.wait({task}, timeout=limit)
        finally:
            if not task.done():
                task.cancel()
        if not task.done():
            raise Late(f"did not stop within {limit:g} s")
        if self._error is not None:
            raise self._error

    async def _live(self) -> None:
        try:
            async with self._context:
                self._inside.set()
                await self._leave.wait()
        except BaseException as error:  # noqa: BLE001  told to whoever entered
            self._error = as_exception(error)

    def _over(self, _task: asyncio.Task[None]) -> None:
        if not self._leave.is_set():
            self._ended(self._error)
