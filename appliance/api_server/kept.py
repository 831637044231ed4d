"""What the API server keeps, and the parts that stand on it: opened at its start, closed at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from appliance.api.profile_management import Management
from appliance.api.stores import Store
from appliance.api_server.asking import Ask
from appliance.api_server.audit_notes import AuditNotes
from appliance.api_server.iam.accounts import Accounts
from appliance.api_server.iam.breached import breached_in
from appliance.api_server.iam.hashing import HashingThreads
from appliance.api_server.iam.realm import realm_of
from appliance.api_server.node_link import Settings
from appliance.api_server.plugins.cache import CacheSlot, fill
from appliance.api_server.plugins.parts import PluginParts
from appliance.errors import ApplianceError
from appliance.foundation import clock
from appliance.foundation.entropy import random_bytes
from appliance.foundation.logging import get_logger
from appliance.management.iam.tokens import Realm
from appliance.store.cached import CachedStore
from appliance.store.opening import open_store, sealed
from appliance.store.sealed import SealedStore

log = get_logger("api")

FOLDER = "store"
"""Within the folder that the daemon made."""
TROUBLE = {
    "damaged": "the store is damaged, and nothing is written: kill the API server, and it starts with the last good copy",
    "full_now": "the store is full, and nothing is written: make room on its disk, or remove something",
    "away": "the database that has the store cannot be reached: it is tried again each second",
    "broken_now": "the store cannot be written: the API server's log says why",
}
"""By the figure of a store that says so. One that does not count it is not asked."""
ALONE = "api"
"""The name of an API server that has its store for itself, whatever becomes of the node's identity."""


class Kept:
    """The store, and the users and tokens in it. Made by `open`."""

    def __init__(
        self,
        store: Store,
        sealed: SealedStore,
        realm: Realm,
        settings: Settings,
        ask: Ask,
        breached: Callable[[str], bool],
        *,
        server: str,
    ) -> None:
        """`sealed`: the same store, as far as it is about keys. `server`: the name of this API server among those that share
        the store."""
        self.store = store
        self.sealed = sealed
        self.server = server
        self.suffix = "" if server == ALONE else f".{server}"
        """What the names of spaces end with that are this API server's own."""
        self.shared = server != ALONE
        """May other API servers have the same store?"""
        self.notes = AuditNotes(ask, self._name_of, store, self.suffix)
        self.accounts = Accounts(
            store,
            clock.wall,
            random_bytes,
            HashingThreads(),
            realm=realm,
            added=settings.added_roles,
            breached=breached,
            note=self.notes.note,
            keep=self.notes.keep,
        )
        self._telling = asyncio.get_running_loop().create_task(self.notes.run(), name="audit notes")

    @classmethod
    async def open(
        cls, folder: Path, settings: Settings, ask: Ask, credentials: Mapping[str, bytes], plugins: PluginParts
    ) -> Self:
        """Open what is in that folder; `credentials` may have its key. `ask` asks the node. Raises ApplianceError."""
        management = Management.model_validate(settings.management)
        breached = breached_in(management.stolen_passwords)
        shared = await plugins.store()
        slot = CacheSlot()
        cached = None if shared is None else CachedStore(shared, slot)
        if cached is not None:
            kept = await sealed(cached, folder / FOLDER, credentials=credentials)
        else:
            kept = await open_store(folder / FOLDER, credentials=credentials)
        store: Store = kept
        if management.tracing is not None:
            from appliance.api_server.tracing.store import TracedStore

            store = TracedStore(store)
        try:
            realm = await realm_of(store, settings.identity)
            if cached is not None:
                cached.name = realm.issuer
                fill(slot, plugins)
        except BaseException:
            await store.close()
            raise
        return cls(store, kept, realm, settings, ask, breached, server=ALONE if shared is None else settings.identity)

    def trouble(self) -> str:
        """What was found wrong with the store when it was written last; "" if nothing was."""
        figures = self.store.stats()
        return next((words for figure, words in TROUBLE.items() if figures.get(figure)), "")

    async def problem(self) -> str:
        """What is wrong with the store; "" if nothing is."""
        if trouble := self.trouble():
            return trouble
        try:
            await self.store.get("health", "probe")
        except ApplianceError as error:
            return error.message
        return ""

    async def close(self) -> None:
        """Write what is still to be written."""
        self._telling.cancel()
        await self.notes.close()
        self.accounts.close()
        await self.store.close()

    async def _name_of(self, user: str) -> str:
        try:
            return (await self.accounts.people.get(user)).name
        except ApplianceError:  # removed meanwhile, or none at all
            return user
