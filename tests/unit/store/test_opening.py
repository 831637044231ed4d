"""The store of the API server: made at first use, and opened again by its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.api.stores import Put, Record
from appliance.store.opening import open_store
from appliance.store.ring import StoreSealed


async def test_it_is_made_at_first_use_and_opens_again(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "api"
    store = await open_store(folder)
    await store.commit(Put("users", "alice", b"secret"))
    await store.close()
    assert len(list(folder.glob("key-*"))) == 1
    store = await open_store(folder)
    assert await store.get("users", "alice") == Record("alice", b"secret", 1)
    await store.close()
    assert len(list(folder.glob("key-*"))) == 1


async def test_without_its_key_it_stays_closed_and_nothing_is_lost(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    await store.commit(Put("users", "alice", b"secret"))
    await store.close()
    (path,) = tmp_path.glob("key-*")
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(StoreSealed, match="not there") as raised:
        await open_store(tmp_path)
    assert "bring it back" in raised.value.hint
    (tmp_path / "elsewhere").rename(path)
    store = await open_store(tmp_path)
    assert await store.get("users", "alice") == Record("alice", b"secret", 1)
    await store.close()
