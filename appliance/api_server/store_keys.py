"""Answers what is about the keys of the store."""

from __future__ import annotations

from typing import Any

from appliance.api_server.answering import Call, Handler
from appliance.api_server.iam.tools import Note
from appliance.api_server.kept import Kept
from appliance.management.iam.changes import HOST
from appliance.store.sqlite import SqliteStore


def store_handlers(kept: Kept) -> dict[str, Handler]:
    """By the names of their rows."""

    async def rotate(call: Call) -> Any:
        sealed = kept.sealed
        values = await sealed.rotate(call.arguments.cipher)
        if isinstance(sealed.inside, SqliteStore):
            await sealed.inside.copy()  # which would have the earlier data key
        note = Note("user.store.rotated", call.caller.user or HOST)
        await kept.store.commit(kept.notes.keep(note))
        kept.notes.note(note)
        return {"data_key": sealed.ring.current.number, "cipher": sealed.ring.current.cipher, "values": values}

    return {"store.rotate": rotate}
