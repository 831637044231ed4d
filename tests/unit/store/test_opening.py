"""The store of the API server: made at first use, and opened again by its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.api.stores import Change, Put, Record
from appliance.foundation.clock import wall
from appliance.store.keys import CREDENTIAL, OF_PASSPHRASE
from appliance.store.memory import MemoryStore
from appliance.store.opening import open_store, sealed
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


async def test_another_host_that_shares_the_store_is_told_where_its_key_is(tmp_path: Path) -> None:
    shared = MemoryStore(clock=wall)
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    store = await sealed(shared, here)
    await store.commit(Put("users", "alice", b"secret"))
    (key,) = here.iterdir()
    with pytest.raises(StoreSealed, match="not there") as raised:
        await sealed(shared, elsewhere)
    assert f"copy {key.name} from the store's folder there to {elsewhere} here" in raised.value.hint
    (elsewhere / key.name).write_bytes(key.read_bytes())
    assert await (await sealed(shared, elsewhere)).get("users", "alice") == Record("alice", b"secret", 1)


class Racing(MemoryStore):
    """Another host makes the keys just before this one would."""

    def __init__(self, quicker: Path) -> None:
        super().__init__(clock=wall)
        self._quicker: Path | None = quicker

    async def commit(self, *changes: Change, durable: bool = True) -> list[int]:
        if (folder := self._quicker) is not None:
            self._quicker = None
            await sealed(self, folder)
        return await super().commit(*changes, durable=durable)


async def test_of_two_that_begin_at_once_one_makes_the_key(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    with pytest.raises(StoreSealed, match="not there"):
        await sealed(Racing(elsewhere), here)
    assert [path.name[:4] for path in elsewhere.iterdir()] == ["key-"]
    assert not list(here.iterdir()), "a key under which nothing is sealed would be mistaken for the right one"


@pytest.mark.parametrize("name", [CREDENTIAL, OF_PASSPHRASE])
async def test_a_new_store_takes_the_key_that_systemd_gave_and_so_does_another_host(name: str, tmp_path: Path) -> None:
    shared = MemoryStore(clock=wall)
    given = {name: b"the same for both hosts, 32 bytes or more"}
    store = await sealed(shared, tmp_path / "here", credentials=given)
    await store.commit(Put("users", "alice", b"secret"))
    other = await sealed(shared, tmp_path / "elsewhere", credentials=given)
    assert await other.get("users", "alice") == Record("alice", b"secret", 1)
    assert not [*(tmp_path / "here").iterdir(), *(tmp_path / "elsewhere").iterdir()]
