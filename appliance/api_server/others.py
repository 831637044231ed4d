"""API servers that share a store: each says there that it is alive, and what one leaves behind that is gone the others settle.

Who is gone is judged by how long nothing changed, on a clock that nobody sets; so it does not matter that hosts have different
times. One that was only cut off from the store, and comes back, finds its work settled and ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from appliance.api.stores import Conflict, Delete, Put, Store
from appliance.errors import ApplianceError
from appliance.foundation import clock
from appliance.foundation.logging import get_logger

log = get_logger("api")

SPACE: Final = "servers"
BEAT_EVERY: Final = 10.0
"""Seconds."""
GONE_AFTER: Final = 60.0
"""Seconds without a sign."""
MOST: Final = 100
"""Servers of one store."""


class _Seen(NamedTuple):
    version: int
    since: float


class Others:
    """`run` it beside everything else. `own` is the name of this server, `settle` does what is to be done for another one that is
    gone."""

    def __init__(
        self,
        store: Store,
        own: str,
        settle: Callable[[str], Awaitable[None]],
        *,
        elapsed: Callable[[], float] = clock.monotonic,
    ) -> None:
        self._store = store
        self._own = own
        self._settle = settle
        self._elapsed = elapsed
        self._seen: dict[str, _Seen] = {}

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self.beat()
            except ApplianceError as error:  # the store is away: so it may be for the others
                self._seen.clear()
                log.debug("other API servers cannot be seen", reason=error.message)
            await asyncio.sleep(BEAT_EVERY)

    async def beat(self) -> None:
        """Say that this one is here, and look at the others. Raises what the store raises."""
        await self._store.commit(Put(SPACE, self._own, b""), durable=False)
        now = self._elapsed()
        found = {each.key: each.version for each in await self._store.scan(SPACE, limit=MOST) if each.key != self._own}
        self._seen = {
            name: seen if (seen := self._seen.get(name)) and seen.version == version else _Seen(version, now)
            for name, version in found.items()
        }
        for name, seen in self._seen.items():
            if now - seen.since >= GONE_AFTER:
                await self._end(name, seen.version)

    async def _end(self, name: str, version: int) -> None:
        log.warning("another API server of this store is gone: what it left is settled", server=name)
        await self._settle(name)
        try:
            await self._store.commit(Delete(SPACE, name, expect=version))
        except Conflict:  # it is back
            return
