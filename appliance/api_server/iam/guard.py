"""Counts attempts in the store, so that neither a crash nor a second API server gives a guesser another five."""

from __future__ import annotations

from collections.abc import Collection

from appliance.api.stores import Change, Delete
from appliance.api_server.iam.records import ATTEMPTS, put, settled
from appliance.api_server.iam.tools import Tools
from appliance.management.iam import lockout
from appliance.management.iam.lockout import FREE_FOR_ADDRESS, FREE_FOR_NAME, Attempts


class Guard:
    """See `lockout`."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def begin(self, name: str, address: str, own: Collection[str] = ()) -> None:
        """Before an attempt is judged: count it as wrong. Raises TooManyAttempts: then it must not be judged."""

        async def count() -> None:
            changes: list[Change] = []
            for key, free in self._keys(name, address, own):
                found = await self._tools.records.get(ATTEMPTS, key, Attempts)
                before, version = found or (Attempts(), 0)
                after = lockout.attempted(before, self._tools.now, free)
                changes.append(put(ATTEMPTS, key, after, version, after.expires))
            if changes:
                await self._tools.records.commit(*changes, durable=False)

        await settled(count)

    async def right(self, name: str, address: str, own: Collection[str] = ()) -> int:
        """The attempt was right: for the name it is as if none had been wrong. The address loses this one only, for others may
        have failed there. Returns how many were wrong for this name before, wherever they came from: for the owner to know."""
        everywhere = await self._tools.records.get(ATTEMPTS, lockout.name_key(name, ""), Attempts)
        counted = everywhere.value.failures if everywhere else 0
        if lockout.name_key(name, address, own) == lockout.name_key(name, ""):
            counted -= 1

        async def forget() -> None:
            changes: list[Change] = []
            for key, free in self._keys(name, address, own):
                found = await self._tools.records.get(ATTEMPTS, key, Attempts)
                if found is None:
                    continue
                left = found.value.failures - 1
                if free == FREE_FOR_NAME or left < 1:
                    changes.append(Delete(ATTEMPTS, key, found.version))
                else:
                    after = found.value._replace(failures=left, until=0)
                    changes.append(put(ATTEMPTS, key, after, found.version, after.expires))
            if changes:
                await self._tools.records.commit(*changes, durable=False)

        await settled(forget)
        return max(0, counted)

    @staticmethod
    def _keys(name: str, address: str, own: Collection[str]) -> list[tuple[str, int]]:
        by_address = lockout.address_key(address)
        keys = [(lockout.name_key(name, address, own), FREE_FOR_NAME)] if name else []
        return [*keys, (by_address, FREE_FOR_ADDRESS)] if by_address else keys
