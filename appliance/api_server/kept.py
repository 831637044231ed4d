"""What the API server keeps, and the parts that stand on it: opened at its start, closed at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from appliance.api_server.iam.accounts import Accounts
from appliance.api_server.iam.hashing import HashingThreads
from appliance.api_server.iam.tools import Note
from appliance.api_server.node_link import Settings
from appliance.errors import ApplianceError
from appliance.foundation import clock
from appliance.foundation.entropy import random_bytes
from appliance.foundation.logging import get_logger
from appliance.management.iam.tokens import Realm
from appliance.store.sqlite import SqliteStore
from appliance.store.store import Store

log = get_logger("api")

FOLDER = "store"
"""Within the folder that the daemon made."""
AUDIENCE = "appliance"
"""For whom access tokens are."""


class Kept:
    """The store, and the users and tokens in it. Made by `open`."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.accounts = Accounts(
            store,
            clock.wall,
            random_bytes,
            HashingThreads(),
            realm=Realm(f"urn:appliance:{settings.identity}", AUDIENCE),
            added=settings.added_roles,
            note=_note,
        )

    @classmethod
    async def open(cls, folder: Path, settings: Settings) -> Self:
        """Open what is in that folder. Raises ApplianceError."""
        return cls(await SqliteStore.open(folder / FOLDER, clock=clock.wall), settings)

    async def problem(self) -> str:
        """What is wrong with the store; "" if nothing is."""
        try:
            await self.store.get("health", "probe")
        except ApplianceError as error:
            return error.message
        return ""

    async def close(self) -> None:
        """Write what is still to be written."""
        self.accounts.close()
        await self.store.close()


def _note(note: Note) -> None:
    log.info(note.what, user=note.user, by=note.by, detail=note.detail, address=note.address)
