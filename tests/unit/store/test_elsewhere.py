"""What an admin does to a store that a plugin keeps: figures, a look at every value, and its keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.api.stores import Append, Delete, Put
from appliance.foundation.clock import wall
from appliance.foundation.entropy import random_bytes
from appliance.store import elsewhere
from appliance.store.keys import Keys
from appliance.store.maintenance import StoreMissing
from appliance.store.memory import MemoryStore
from appliance.store.opening import sealed
from appliance.store.ring import StoreSealed


@pytest.fixture
async def inside(tmp_path: Path) -> MemoryStore:
    """With a user, a job and a log, of an API server that goes on."""
    inside = MemoryStore(clock=wall)
    store = await sealed(inside, tmp_path)
    await store.commit(
        Put("users", "alice", b"secret"), Put("jobs", "1", b"done"), Append("events", b"one"), Append("events", b"two")
    )
    return inside


def keys(folder: Path) -> Keys:
    return Keys(folder, entropy=random_bytes, shared=True)


def nothing(_said: str) -> None:
    pass


async def test_figures_need_no_key(inside: MemoryStore, tmp_path: Path) -> None:
    (key,) = tmp_path.glob("key-*")
    found = await elsewhere.figures(inside)
    assert (found["records"], found["logs"], found["entries"], found["key"]["place"]) == ({"users": 1, "jobs": 1}, 1, 2, key.name)
    assert found["bytes"] > 0


async def test_a_check_opens_every_value_and_names_what_does_not(inside: MemoryStore, tmp_path: Path) -> None:
    said: list[str] = []
    found = await elsewhere.check(inside, keys(tmp_path), said.append)
    assert (found["values"], found["unopened"], found["under_earlier_keys"], found["rotation_ended"]) == (4, 0, 0, True)
    assert said
    foreign = await inside.get("jobs", "1")
    assert foreign is not None
    await inside.commit(Put("users", "mallory", foreign.value))
    found = await elsewhere.check(inside, keys(tmp_path), nothing)
    assert (found["values"], found["unopened"]) == (5, 1)
    assert "users/mallory" in found["problems"][0]


async def test_a_rotation_is_followed_by_servers_that_go_on(inside: MemoryStore, tmp_path: Path) -> None:
    server = await sealed(inside, tmp_path)
    done = await elsewhere.rotate(inside, keys(tmp_path), "aes-256-gcm", nothing)
    assert (done["data_key"], done["cipher"], done["values"]) == (2, "aes-256-gcm", 4)
    await server.commit(Put("users", "bob", b"secret"))
    assert (await elsewhere.check(inside, keys(tmp_path), nothing))["under_earlier_keys"] == 0


async def test_after_a_rewrap_servers_need_the_new_key_and_go_on_when_they_have_it(inside: MemoryStore, tmp_path: Path) -> None:
    server = await sealed(inside, tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (old,) = tmp_path.glob("key-*")
    (other / old.name).write_bytes(old.read_bytes())
    done = await elsewhere.rewrap(inside, keys(other), lambda keys: keys.new_file(), nothing)
    assert (done["before"]["place"], done["now"]["kind"]) == (old.name, "file")
    with pytest.raises(StoreSealed) as raised:
        await server.commit(Put("users", "bob", b"x"))
    assert f"copy {done['now']['place']}" in raised.value.hint
    (tmp_path / done["now"]["place"]).write_bytes((other / done["now"]["place"]).read_bytes())
    await server.commit(Put("users", "bob", b"x"))


@pytest.mark.parametrize("deed", ["figures", "check", "rewrap", "rotate"])
async def test_a_database_in_which_nothing_is_stays_empty(deed: str, tmp_path: Path) -> None:
    empty: Any = MemoryStore(clock=wall)
    more: dict[str, tuple[Any, ...]] = {
        "figures": (),
        "check": (keys(tmp_path), nothing),
        "rewrap": (keys(tmp_path), lambda keys: keys.new_file(), nothing),
        "rotate": (keys(tmp_path), None, nothing),
    }
    with pytest.raises(StoreMissing, match="nothing is in that store yet"):
        await getattr(elsewhere, deed)(empty, *more[deed])
    assert not list(tmp_path.iterdir())
    await empty.commit(Delete("users", "alice"))
