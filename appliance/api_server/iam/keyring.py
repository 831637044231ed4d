"""The signing keys in the store, and a copy of them in memory that is fresh enough."""

from __future__ import annotations

from typing import Any, Final

from appliance.api_server.iam.records import STATE, put_document, settled
from appliance.api_server.iam.tools import Note, Tools
from appliance.management.iam.changes import HOST
from appliance.management.iam.documents import document_of, record_of
from appliance.management.iam.signing_keys import SEED_BYTES, Ring, SigningKey, rotated

KEY: Final = "signing-keys"
FRESH: Final = 60
"""Seconds for which the copy is believed: another API server may have changed the keys since."""
AGAIN: Final = 1
"""Seconds between two looks because of keys that the copy does not have: anybody can name such."""


class Keyring:
    """The keys."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._ring: Ring | None = None
        self._read_at = 0.0

    async def ring(self, kid: str = "") -> Ring:
        """The keys; `kid`: one that should be among them. The first call ever makes one."""
        now = self._tools.clock()
        age = abs(now - self._read_at)
        if self._ring is None or age >= FRESH or (kid and age >= AGAIN and self._ring.public(kid, now) is None):
            self._ring = await settled(self._loaded)
            self._read_at = now
        return self._ring

    async def rotate(self, by: str = HOST) -> Ring:
        """Sign by a new key from now on, as somebody wants. The one before verifies until its tokens are over."""
        note = Note("user.keys.rotated", by)
        self._ring = await settled(lambda: self._loaded(note))
        self._read_at = self._tools.clock()
        self._tools.note(note)
        return self._ring

    async def jwks(self) -> dict[str, Any]:
        """The public keys, for others."""
        return (await self.ring()).jwks(self._tools.clock())

    async def _loaded(self, wanted: Note | None = None) -> Ring:
        """`wanted`: somebody wants a new key now."""
        document, version = await self._tools.records.document(STATE, KEY)
        keys = [record_of(SigningKey, key) for key in document.get("keys", [])]
        ring = Ring(keys) if keys else None
        if ring is not None and wanted is None and not ring.is_due(self._tools.clock()):
            return ring
        after = rotated(keys, self._tools.entropy(SEED_BYTES), self._tools.now)
        kept = put_document(STATE, KEY, {"keys": [document_of(key) for key in after]}, version)
        await self._tools.records.commit(kept, *([self._tools.keep(wanted)] if wanted else []))
        return Ring(after)
