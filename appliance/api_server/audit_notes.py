"""Tells the node's audit log what users did here: in batches, and what repeats itself once with how often.

    change ─ one commit with its note ─▶ the store's log ─┐
    log-in, refusal ─▶ waiting, within a bound ───────────┴─▶ a batch a second ─▶ the node

Nobody waits for the node: a log-in has to work while it is busy. A change of who may what is kept with its note in one commit,
and told after a crash too, perhaps twice. Of log-ins and refusals, what was noted in the second before a kill is lost.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from appliance.api.stores import KEEP, Append, Entry, Put, Store, Tail
from appliance.api_server.asking import Ask
from appliance.api_server.iam.tools import CHANGES, Note
from appliance.errors import ApplianceError
from appliance.foundation.logging import get_logger, once_per
from appliance.store.sealed import ValueUnopened

log = get_logger("api")

LOG: Final = "audit.notes"
SPACE: Final = "audit.told"
"""By log: the id of the last entry that the node has."""
EVERY: Final = 1.0
"""Seconds between two batches."""
AGAIN: Final = 15.0
"""Seconds until what was refused is told again."""
TELL_EVERY: Final = 60.0
MOST_AT_A_TIME: Final = 100
"""What the audit log takes at once."""
MOST_WAITING: Final = 1000
"""Different notes that wait. Of further ones only the number is told."""
SECONDS: Final = 5.0
"""For an answer of the node."""
AT_THE_END: Final = 1.0
"""The same when the API server ends: the node waits for that."""


class AuditNotes:
    """`ask` is the node's, `name_of` a user's name by his id; `suffix` is what names end with that are this API server's own."""

    def __init__(self, ask: Ask, name_of: Callable[[str], Awaitable[str]], store: Store, suffix: str = "") -> None:
        self._ask = ask
        self._name_of = name_of
        self._store = store
        self._log = LOG + suffix
        self._last: int | None = None
        """Id of the last entry of the log that the node has; None: nobody has looked yet."""
        self._left = True
        """The log may have more."""
        self._waiting: dict[Note, int] = {}
        """With how often."""
        self._several = 0
        self._some = asyncio.Event()
        self._some.set()  # the last one may have left some

    def keep(self, note: Note) -> Append:
        """A note as a part of the commit of what it is about; `note` of the same follows."""
        return Append(self._log, json.dumps(note).encode())

    def note(self, note: Note) -> None:
        """Take it. Never blocks, never raises."""
        if note.what in CHANGES:
            self._left = True
        elif note in self._waiting or len(self._waiting) < MOST_WAITING:
            self._waiting[note] = self._waiting.get(note, 0) + 1
        else:
            self._several += 1
        self._some.set()

    async def run(self) -> None:
        """Tell them, for ever."""
        while True:
            await self._some.wait()
            self._some.clear()
            well = await self.tell()
            if not well or self._more:
                self._some.set()
            await asyncio.sleep(EVERY if well else AGAIN)

    async def close(self) -> None:
        """Tell what is left, if that works at once."""
        with suppress(TimeoutError):
            async with asyncio.timeout(AT_THE_END):
                while self._more and await self.tell():
                    pass

    @property
    def _more(self) -> bool:
        return bool(self._waiting or self._several or self._left)

    async def tell(self) -> bool:
        """A batch. False: the node does not take it now, or the store does not tell it, and nothing is lost."""
        several, self._several = self._several, 0
        problem = ""
        try:
            kept, missed, last = await self._kept()
        except ApplianceError as error:  # what is in memory is told all the same
            kept, missed, last, self._left, problem = [], 0, 0, True, error.message
        try:
            batch = {Note("user.several"): several + missed} if several + missed else {}
            batch |= dict(list(self._waiting.items())[: max(0, MOST_AT_A_TIME - len(kept) - len(batch))])
            entries = [await self._entry(note, 1) for note in kept]
            entries += [await self._entry(note, times) for note, times in batch.items()]
            if entries:
                await self._ask("audit_add", {"entries": entries}, None, SECONDS)
            if last:
                await self._have_told(last)
        except (ApplianceError, TimeoutError) as error:
            self._several += several
            self._left, problem = True, str(error)
        else:
            self._told(batch)
        if problem and once_per(TELL_EVERY, "not all is told to the audit log"):
            log.warning("not all is told to the audit log now", waiting=len(self._waiting), reason=problem)
        return not problem

    async def _kept(self) -> tuple[list[Note], int, int]:
        """What the log has that was not told, how much of it cannot be read any more, and the id of the last one; 0: there is
        none."""
        if not self._left:
            return [], 0, 0
        if self._last is None:
            record = await self._store.get(SPACE, self._log)
            self._last = int(record.value) if record is not None else 0
        self._left = False  # what comes from now on says so
        tail, changed = await self._tail(self._last)
        self._left = self._left or changed > 0 or len(tail.entries) == MOST_AT_A_TIME - 1
        overflowed = tail.newest - tail.oldest >= KEEP - 1
        missed = (max(0, tail.oldest - 1 - self._last) if overflowed else 0) + (changed > 0)
        return [_note(entry) for entry in tail.entries], missed, changed or (tail.entries[-1].id if tail.entries else 0)

    async def _tail(self, after: int) -> tuple[Tail, int]:
        """What the log has; of an entry that somebody has changed its id, and what stands before it. Those behind it are told all
        the same."""
        with suppress(ValueUnopened):  # read while the store's keys were changed? Then it opens the next time
            return await self._store.tail(self._log, after, MOST_AT_A_TIME - 1), 0
        try:
            return await self._store.tail(self._log, after, MOST_AT_A_TIME - 1), 0
        except ValueUnopened as error:
            return error.before, error.entry

    async def _have_told(self, last: int) -> None:
        self._last = last
        with suppress(ApplianceError):  # without room it is told twice after a restart
            await self._store.commit(Put(SPACE, self._log, str(last).encode()), durable=False)

    def _told(self, batch: dict[Note, int]) -> None:
        """What was noted again meanwhile is left with what came on top."""
        for note, times in batch.items():
            left = self._waiting.pop(note, 0) - times
            if left > 0:
                self._waiting[note] = left

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


def _note(entry: Entry) -> Note:
    try:
        return Note(*json.loads(entry.value))
    except (ValueError, TypeError):  # a later version wrote it
        return Note("user.several")
