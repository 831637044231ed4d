"""Pages of figures in the store: written once, when their interval is over, and read again when the API server starts.

Nothing is deleted: a page goes when it is older than what is remembered. Pages of times that are still to come, which a clock
that was wrong has left, are not read, and are written over in time.
"""

from __future__ import annotations

from typing import Final

from appliance.api.stores import Put, Store, StoreBroken, StoreFull
from appliance.foundation.logging import get_logger, once_per
from appliance.management.analytics import pages
from appliance.management.analytics.pages import KEPT, PageInvalid
from appliance.management.analytics.series import MINUTE, QUARTER, Book, Resolution

log = get_logger("analytics")

SPACE: Final = "analytics"
AT_A_TIME: Final = 20
"""Pages that are read before others have the event loop: a millisecond each with the most series."""
LATE: Final = 60
"""Intervals that are written late, after the store had no room: of more the oldest are lost."""
TELL_EVERY: Final = 3600.0


class Keeping:
    """Figures: `kept` pages, `unkept` tries that the store refused, `broken` pages that could not be read."""

    def __init__(self, store: Store, suffix: str = "") -> None:
        """`suffix`: what the names of spaces end with that are this API server's own."""
        self._store = store
        self._space = SPACE + suffix
        self._next: dict[Resolution, int] = {}
        self.kept = self.unkept = self.broken = 0

    async def load(self, book: Book, at: int) -> None:
        """Put back all that is kept from before `at` (Unix seconds). Raises StoreBroken."""
        quarters = await self._load(book, QUARTER, at, set())
        await self._load(book, MINUTE, at, quarters)
        self._next = {resolution: at // resolution.step for resolution in KEPT}

    async def keep(self, book: Book, at: int, *, all_of_it: bool = False) -> None:
        """Write the intervals that are over; `all_of_it`: also those that are not, since nothing more comes. What the store does
        not take now is tried again."""
        ends = {resolution: at // resolution.step + all_of_it for resolution in KEPT}
        changes = [
            Put(self._space, pages.key_of(resolution, slot), page, expires=pages.expires(resolution, slot))
            for resolution, end in ends.items()
            for slot in range(max(self._next.get(resolution, end), end - LATE), end)
            if (page := pages.encode(book, resolution, slot)) is not None
        ]
        try:
            if changes:
                await self._store.commit(*changes, durable=False)
        except (StoreFull, StoreBroken) as error:
            self.unkept += 1
            if once_per(TELL_EVERY, "figures are not kept"):
                log.warning("figures are not kept", reason=error.message)
            return
        self.kept += len(changes)
        self._next |= ends

    def set_back(self, at: int) -> None:
        """The clock was: what is to come is written again."""
        self._next = {resolution: min(slot, at // resolution.step) for resolution, slot in self._next.items()}

    async def _load(self, book: Book, resolution: Resolution, at: int, quarters: set[int]) -> set[int]:
        newest = at // resolution.step
        after, found = pages.key_of(resolution, max(newest - resolution.slots, 0)), set()
        while records := await self._store.scan(self._space, prefix=f"{resolution.name}/", after=after, limit=AT_A_TIME):
            after = records[-1].key
            for record in records:
                try:
                    slot = pages.slot_of(record.key)
                    if slot <= newest:
                        pages.restore(book, resolution, slot, record.value, quarters)
                        found.add(slot)
                except PageInvalid:
                    self.broken += 1
        return found
