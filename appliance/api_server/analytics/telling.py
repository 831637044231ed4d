"""Tells all who follow events what began to be out of the ordinary, and what is over.

An event and what the watch has to know after a restart are one commit: whatever kills this process, nothing is told twice, and
what was told to have begun is told to be over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from appliance.api.stores import Append, Put, Store, StoreBroken, StoreFull
from appliance.foundation.logging import get_logger, once_per
from appliance.management.analytics import remembered
from appliance.management.analytics.anomalies import Change, Watch
from appliance.management.analytics.remembered import RememberedInvalid

log = get_logger("analytics")

SPACE: Final = "anomalies"
KEY: Final = "watch"
BEGAN: Final = "anomalies.began"
ENDED: Final = "anomalies.ended"
MOST_WAITING: Final = 200
"""Events that wait for a store without room. Of more the oldest go, and are counted."""
TELL_EVERY: Final = 3600.0


class Told(Protocol):
    """The log of events."""

    def change(self, kind: str, data: Mapping[str, Any]) -> Append:
        """An event as part of a commit."""

    def committed(self) -> None:
        """It was committed."""


class Telling:
    """`untold`: events that were lost, as the store had no room for long. `broken`: what was kept could not be read."""

    def __init__(self, store: Store, told: Told | None, suffix: str = "", node: str = "") -> None:
        """`suffix`: what the names of spaces end with that are this API server's own. `node`: whose anomalies these are, where
        several share the log."""
        self._node = {"node": node} if node else {}
        self._store = store
        self._space = SPACE + suffix
        self._told = told
        self._waiting: deque[Append] = deque()
        self.untold = self.broken = 0

    async def load(self, watch: Watch) -> None:
        """What lasted when this API server ended lasts still, until the figures say otherwise."""
        try:
            kept = await self._store.get(self._space, KEY)
            if kept is not None:
                remembered.restore(watch, kept.value)
        except (StoreBroken, RememberedInvalid) as error:
            self.broken += 1
            log.warning("it is not known what was out of the ordinary before", reason=str(error))

    async def tell(self, watch: Watch, changes: Sequence[Change], at: int) -> None:
        """Tell it, together with what could not be told before. `at`: Unix seconds."""
        if self._told is None:
            return
        for change in changes:
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.popleft()
                self.untold += 1
            self._waiting.append(self._told.change(BEGAN if change.began else ENDED, change.anomaly._asdict() | self._node))
        if not self._waiting:
            return
        try:
            await self._store.commit(Put(self._space, KEY, remembered.encode(watch, at)), *self._waiting)
        except (StoreFull, StoreBroken) as error:
            if once_per(TELL_EVERY, "anomalies are not told"):
                log.warning("anomalies wait for the store", reason=error.message)
            return
        self._waiting.clear()
        self._told.committed()
