"""Looks at the file again and again, and gives its peers when it has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from appliance.api.discovery import BroughtPeer, DiscoveryServices
from roster_discovery.roster import MOST_BYTES, BadRoster, read
from roster_discovery.settings import RosterSettings

Stamp = tuple[int, int, int]
"""Which file it was, its length, and when it was written, in nanoseconds."""


class Source:
    """A `PeerSource` of `appliance.api.discovery`."""

    def __init__(self, settings: RosterSettings, services: DiscoveryServices) -> None:
        self._file = Path(settings.file)
        self._every = settings.every
        self._services = services

    async def peers(self) -> AsyncIterator[Sequence[BroughtPeer]]:
        """The complete list each time that the file says another one."""
        seen: Stamp | None = None
        told: tuple[BroughtPeer, ...] | None = None
        while True:
            try:
                stamp = await asyncio.to_thread(self._stamp)
                if stamp != seen:
                    found = await asyncio.to_thread(self._read)
                    seen = stamp
                    self._services.report("")
                    if found != told:
                        told = found
                        yield found
            except (OSError, BadRoster) as error:
                seen = None
                reason = error.strerror if isinstance(error, OSError) else error
                self._services.report(f"{self._file}: {reason}; the peers stay as they were")
            await self._services.sleep(self._every)

    def _stamp(self) -> Stamp:
        found = self._file.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _read(self) -> tuple[BroughtPeer, ...]:
        with self._file.open("rb") as file:
            return read(file.read(MOST_BYTES + 1))
