"""Passwords are hashed in two threads, for which only so many may wait: a flood of log-ins slows log-ins down, and nothing
else."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from appliance.api_server.tracing.current import step
from appliance.errors import ApplianceError, ExitCode
from appliance.management.iam import passwords
from appliance.management.iam.passwords import COST, Cost

THREADS: Final = 2
"""Two at a time need 24 MiB."""
NICE: Final = 10
"""Of hashing threads; 10 gets a tenth of what 0 gets, where both want all."""
WAITING: Final = 16
"""An eighth of a second of work on two cores."""


class TooManyLogIns(ApplianceError):
    """More log-ins at once than passwords can be looked at. None of them was judged."""

    exit_code = ExitCode.RETRY
    retryable = True
    retry_after = 1
    """Seconds."""


class HashingThreads:
    """Hashes passwords, and compares them with hashes, away from the event loop."""

    def __init__(self, cost: Cost = COST, *, threads: int = THREADS, waiting: int = WAITING) -> None:
        self.cost = cost
        self._pool = ThreadPoolExecutor(threads, "password", _step_back)
        self._places = threads + waiting
        self._taken = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the queue. Raises TooManyLogIns when there is none; nothing was done then."""
        if self._taken >= self._places:
            raise TooManyLogIns("too many log-ins at once", hint="try again in a second")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    async def hashed(self, plain: str, salt: bytes) -> str:
        """See `passwords.hashed`. Whoever asks holds a place."""
        with step("hash a password"):
            return await asyncio.get_running_loop().run_in_executor(self._pool, passwords.hashed, plain, salt, self.cost)

    async def matches(self, password: str, phc: str) -> bool:
        """See `passwords.matches`. Whoever asks holds a place."""
        with step("hash a password"):
            return await asyncio.get_running_loop().run_in_executor(self._pool, passwords.matches, password, phc)

    def close(self) -> None:
        """End the threads, once what they do now is done."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _step_back() -> None:
    """This thread gets what others leave: a flood of log-ins must not slow packets down."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
