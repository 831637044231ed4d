"""Asks the node for its figures every ten seconds, and hands them on: to the series, the watch, and once a minute the store.

node ─ metrics ─▶ meter ─ readings ─┬─▶ book of series ─ pages ─▶ store
                                    └─▶ watch ─ anomalies ─ what begins and what is over ─▶ log of events
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from appliance.api.stores import Store, StoreBroken
from appliance.api_server.analytics.keeping import Keeping
from appliance.api_server.analytics.telling import Telling, Told
from appliance.foundation import clock
from appliance.foundation.logging import get_logger, once_per
from appliance.management.analytics.anomalies import Watch
from appliance.management.analytics.calendar import Calendar
from appliance.management.analytics.measures import Meter
from appliance.management.analytics.series import FINE, Book
from appliance.sdk.errors import SDKError

log = get_logger("analytics")

EVERY: Final = float(FINE.step)
"""Seconds between two looks."""
MANY: Final = 2000
"""For each so many sessions the looks are rarer by as much: telling of them takes the node ten milliseconds."""
TELL_EVERY: Final = 3600.0

Own = Callable[[], Mapping[str, Mapping[str, int]]]
"""Counters of this process, by metric and label."""


class Sampler:
    """`ask` gives the node's figures, as its operation `metrics` has them; that it raises SDKError or TimeoutError is counted in
    `missed`. `told` hears of anomalies. `suffix`: what the names of spaces end with that are this API server's
    own; `node`: the name that its events have, where several share a log. `start`, then `close`."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[Mapping[str, Any]]],
        store: Store,
        own: Own = dict,
        told: Told | None = None,
        *,
        suffix: str = "",
        node: str = "",
        wall: Callable[[], float] = clock.wall,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self._ask = ask
        self._own = own
        self._wall = wall
        self._monotonic = monotonic
        self._keeping = Keeping(store, suffix)
        self._calendar = Calendar()
        self._meter = Meter()
        self._telling = Telling(store, told, suffix, node)
        self._jump = 0.0
        self._task: asyncio.Task[None] | None = None
        self.book = Book()
        self.watch = Watch()
        self.missed = 0
        self.pause = EVERY
        """Seconds until the next look."""

    @property
    def now(self) -> int:
        """Unix seconds, of the newest reading where the clock is in doubt."""
        return max((series.heard for series in self.book.series.values()), default=int(self._wall()))

    def advice(self) -> list[str]:
        """What is out of the ordinary now, in sentences."""
        return [one.reason for one in self.watch.now()]

    def stats(self) -> dict[str, int]:
        """Figures of this part itself."""
        keeping, book = self._keeping, self.book
        return {
            "series": len(book.series),
            "refused": book.refused,
            "odd": self._meter.odd,
            "missed": self.missed,
            "kept": keeping.kept,
            "unkept": keeping.unkept,
            "broken": keeping.broken + self._telling.broken,
            "untold": self._telling.untold,
        }

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="analytics")

    async def close(self) -> None:
        """Look no more; what was read last is kept. The store is still open then."""
        if self._task is None:
            return
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        await self._keeping.keep(self.book, self.now, all_of_it=True)

    async def load(self) -> None:
        """Remember what is kept. What cannot be read is left out."""
        self.book = Book()
        await self._telling.load(self.watch)
        try:
            await self._keeping.load(self.book, max(int(self._wall()), 0))
        except StoreBroken as error:
            log.warning("figures of the past are not there", reason=error.message)

    async def look(self) -> None:
        """Ask the node once, and hand on what it says."""
        try:
            document = await self._ask()
        except (SDKError, TimeoutError) as error:
            self.missed += 1
            if once_per(TELL_EVERY, "the node does not give its figures"):
                log.warning("the node does not give its figures", reason=str(error))
            return
        self.pause = EVERY * (1 + len(document.get("sessions") or ()) // MANY)
        moment = self._calendar.moment(self._wall(), self._monotonic())
        readings = self._meter.read(document, moment.elapsed, self._own())
        self._jump = max(self._jump, moment.jump, key=abs)
        if moment.at is None:
            return
        if moment.back:
            self.book.forget_after(moment.at)
            self._keeping.set_back(moment.at)
        self.book.read(moment.at, readings)
        changes = self.watch.take(moment.at, readings, document, self._jump)
        self._jump = 0.0
        await self._telling.tell(self.watch, changes, moment.at)
        await self._keeping.keep(self.book, moment.at)

    async def _run(self) -> None:
        await self.load()
        while True:
            await self.look()
            await asyncio.sleep(self.pause)
