"""What a running mesh knows, kept in its folder, where commands of the admin write too: what they have written since is taken
over before anything is written, so nobody's word is lost.

The disk is waited for in a thread; many changes are one write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from appliance.foundation.gathering import Gathered
from appliance.foundation.logging import get_logger, once_per
from appliance.foundation.tasks import Tasks
from appliance.linux.locks import held
from appliance.members.certificate import read_certificate
from appliance.members.statement import StatementRefused
from appliance.protocol.digests import sha256
from appliance.runtime.members.network_folder import LOCK, STATEMENTS

if TYPE_CHECKING:
    from appliance.runtime.members.network_folder import NetworkFolder

log = get_logger("mesh")

DELAY: Final = 0.2
"""Seconds between a change and the write."""
ROUNDS: Final = 8
"""How often in a row others may have written before us; then it is tried again with the next change."""
MOST_UNTIMELY: Final = 1024
"""Certificates that begin later, or are over by this host's clock, that stay in the file: a clock may be wrong."""
SAID_EVERY: Final = 300.0


class KeptStatements:
    """`known()` gives what the mesh knows, `take` takes what others have written; `now()` is Unix seconds."""

    def __init__(
        self,
        folder: NetworkFolder,
        known: Callable[[], Iterable[bytes]],
        take: Callable[[Sequence[bytes]], Awaitable[object]],
        now: Callable[[], int],
    ) -> None:
        self._folder = folder
        self._known = known
        self._take = take
        self._now = now
        self._judged: set[bytes] = set()
        """Hashes of what was found in the file and handed to `take`."""
        self._written = self._stamp()
        self._writing = asyncio.Lock()
        self._tasks = Tasks()
        self._gathered = Gathered(self._begin, DELAY)
        self.problem = ""

    def soon(self) -> None:
        """Something changed."""
        self._gathered.soon()

    async def look(self) -> None:
        """Take over what somebody else has written, if somebody has."""
        if self._stamp() != self._written:
            await self.write()

    async def write(self) -> None:
        """Write now. What goes wrong is said, and tried again with the next change."""
        async with self._writing:
            try:
                for _ in range(ROUNDS):
                    strange = await asyncio.to_thread(self._exchange, list(self._known()))
                    if not strange:
                        break
                    await self._take(strange)
                    self._judged.update(map(sha256, strange))  # who is cancelled before has not judged all, and drops none
            except OSError as error:
                self.problem = f"what members are known by cannot be kept: {error.strerror or error}"
                if once_per(SAID_EVERY, "statements cannot be kept"):
                    log.error("what members are known by cannot be kept", reason=str(error))  # noqa: TRY400  the disk's fault
            else:
                self.problem = ""

    async def close(self) -> None:
        """Write what is not written yet, and end."""
        self._gathered.cancel()
        await self._tasks.close()
        await self.write()

    def _begin(self) -> None:
        self._tasks.spawn(self.write(), "keep statements")

    def _exchange(self, known: list[bytes]) -> list[bytes]:
        """In a thread: what is in the file and was not judged yet; if there is none, `known` is written."""
        with held(self._folder.path / LOCK):
            mine = set(known)
            others = [each for each in self._folder.statements() if each not in mine]
            strange = [each for each in others if sha256(each) not in self._judged]
            if not strange:
                untimely = [each for each in others if self._is_untimely(each)]
                self._folder.keep_statements([*known, *untimely[:MOST_UNTIMELY]])
                self._written = self._stamp()
            return strange

    def _is_untimely(self, statement: bytes) -> bool:
        with suppress(StatementRefused):
            return not read_certificate(statement).is_valid(self._now())
        return False

    def _stamp(self) -> tuple[int, int]:
        """What changes with each write."""
        with suppress(OSError):
            found = (self._folder.path / STATEMENTS).stat()
            return found.st_ino, found.st_mtime_ns
        return 0, 0
