"""Commits as steps of traces."""

from __future__ import annotations

import pytest

from appliance.api.stores import Conflict, Put, Store
from appliance.api_server.tracing.store import TracedStore
from appliance.foundation import clock
from appliance.store.memory import MemoryStore
from tests.rigs.recording import recorded


async def test_a_commit_is_a_step_and_everything_else_is_as_ever() -> None:
    store: Store = TracedStore(MemoryStore(clock=clock.wall))
    await store.commit(Put("users", "a", b"1"))
    with recorded() as kept:
        await store.commit(Put("users", "b", b"1"), Put("users", "c", b"1"))
        assert (await store.get("users", "b")) is not None
        assert [record.key for record in await store.scan("users")] == ["a", "b", "c"]
        with pytest.raises(Conflict):
            await store.commit(Put("users", "a", b"2", expect=7))
    assert [(span.name, span.error, span.attributes) for span in kept] == [
        ("commit", "", {"db.operation.batch.size": 2}),
        ("commit", "Conflict", {"db.operation.batch.size": 1}),
    ]
    assert store.stats()["commits"] >= 2
    await store.close()
