"""Tells the node's audit log what users did here: in batches, and what repeats itself once with how often.

Nobody waits for it: a log-in has to work while the node is busy. What cannot be told yet waits, within a bound; what was noted in
the second before the process is killed is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from appliance.api_server.asking import Ask
from appliance.api_server.iam.tools import Note
from appliance.errors import ApplianceError
from appliance.foundation.logging import get_logger

log = get_logger("api")

EVERY: Final = 1.0
"""Seconds between two batches."""
AGAIN: Final = 15.0
"""Seconds until what was refused is told again."""
MOST_AT_A_TIME: Final = 100
"""What the audit log takes at once."""
MOST_WAITING: Final = 1000
"""Different notes that wait. Of further ones only the number is told."""
SECONDS: Final = 5.0
"""For an answer of the node."""
AT_THE_END: Final = 1.0
"""The same when the API server ends: the node waits for that."""


class AuditNotes:
    """`ask` is the node's, `name_of` a user's name by his id."""

    def __init__(self, ask: Ask, name_of: Callable[[str], Awaitable[str]]) -> None:
        self._ask = ask
        self._name_of = name_of
        self._waiting: dict[Note, int] = {}
        """With how often."""
        self._several = 0
        self._some = asyncio.Event()

    def note(self, note: Note) -> None:
        """Take it. Never blocks, never raises."""
        if note in self._waiting or len(self._waiting) < MOST_WAITING:
            self._waiting[note] = self._waiting.get(note, 0) + 1
        else:
            self._several += 1
        self._some.set()

    async def run(self) -> None:
        """Tell them, for ever."""
        while True:
            await self._some.wait()
            await asyncio.sleep(EVERY if await self.tell() else AGAIN)

    async def close(self) -> None:
        """Tell what is left, if that works at once."""
        with suppress(TimeoutError):
            async with asyncio.timeout(AT_THE_END):
                while self._waiting and await self.tell():
                    pass

    async def tell(self) -> bool:
        """A batch. False: the node does not take it now, and nothing is lost."""
        batch = dict(list(self._waiting.items())[:MOST_AT_A_TIME])
        several, self._several = self._several, 0
        if several:
            batch = {Note("user.several"): several, **dict(list(batch.items())[: MOST_AT_A_TIME - 1])}
        try:
            entries = [await self._entry(note, times) for note, times in batch.items()]
            if entries:
                await self._ask("audit_add", {"entries": entries}, None, SECONDS)
        except (ApplianceError, TimeoutError) as error:
            self._several += several
            log.warning("the audit log takes nothing now", waiting=len(self._waiting), reason=str(error))
            return False
        self._told(batch)
        return True

    def _told(self, batch: dict[Note, int]) -> None:
        """What was noted again meanwhile is left with what came on top."""
        for note, times in batch.items():
            left = self._waiting.pop(note, 0) - times
            if left > 0:
                self._waiting[note] = left
        if not self._waiting and not self._several:
            self._some.clear()

    async def _entry(self, note: Note, times: int) -> dict[str, Any]:
        more = {name: value for name, value in (("address", note.address), ("detail", note.detail)) if value}
        target = await self._name_of(note.user) if note.by and note.by != note.user else ""
        return {
            "what": note.what,
            "outcome": "denied" if note.denied else "done",
            "who": {"kind": "api", "name": await self._name_of(note.by or note.user)},
            "target": target,
            "times": times,
            "more": more,
        }
