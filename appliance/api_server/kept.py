"""What the API server keeps, and the parts that stand on it: opened at its start, closed at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from appliance.errors import ApplianceError
from appliance.foundation import clock
from appliance.foundation.logging import get_logger
from appliance.store.sqlite import SqliteStore
from appliance.store.store import Store

log = get_logger("api")

FOLDER = "store"
"""Within the folder that the daemon made."""


class Kept:
    """The store. Made by `open`."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @classmethod
    async def open(cls, folder: Path) -> Self:
        """Open what is in that folder. Raises ApplianceError."""
        return cls(await SqliteStore.open(folder / FOLDER, clock=clock.wall))

    async def problem(self) -> str:
        """What is wrong with the store; "" if nothing is."""
        try:
            await self.store.get("health", "probe")
        except ApplianceError as error:
            return error.message
        return ""

    async def close(self) -> None:
        """Write what is still to be written."""
        await self.store.close()
