"""What an admin does to a store: it may be in use where that can be, nothing is overwritten, and kill -9 loses nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from appliance.api.stores import Append, Put, StoreBroken, StoreInUse
from appliance.foundation.entropy import random_bytes
from appliance.store import maintenance
from appliance.store.keys import Keys
from appliance.store.maintenance import BackupExists, StoreMissing
from appliance.store.opening import open_store
from appliance.store.ring import StoreSealed
from appliance.store.sealed import SealedStore

KILLED = Path(__file__).with_name("killed.py")


def nothing(_: str) -> None:
    """No progress is shown."""


def keys(folder: Path, **more: Any) -> Keys:
    return Keys(folder, entropy=random_bytes, **more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


async def filled(folder: Path, value: bytes = b"secret") -> SealedStore:
    store = await open_store(folder)
    await store.commit(Put("users", "alice", value), Put("jobs", "1", value), Append("events", value), Append("events", value))
    return store


async def alice(folder: Path, **more: Any) -> bytes:
    store = await open_store(folder, **more)
    record = await store.get("users", "alice")
    await store.close()
    assert record is not None
    return record.value


def test_kill_9_at_each_step_loses_nothing(folder: Path) -> None:
    done = subprocess.run([sys.executable, KILLED, folder, "steps"], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    killed = done.stdout.splitlines()
    for deed, least in (("rewrap", 3), ("rotate", 5), ("backup", 2), ("restore", 4), ("forward", 9), ("back", 9)):
        assert sum(line.startswith(f"{deed} ") for line in killed) >= least, (deed, killed)


@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.timeout(1200)
def test_kill_9_at_moments_by_chance_loses_nothing(folder: Path) -> None:
    done = subprocess.run([sys.executable, KILLED, folder, "moments", "300"], capture_output=True, text=True, timeout=1100)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 60


async def test_a_backup_is_made_while_the_store_is_used_and_comes_back(folder: Path, tmp_path: Path) -> None:
    store = await filled(folder)
    told: list[str] = []
    made = maintenance.backup(folder, tmp_path / "backup", told.append)
    assert made["key"]["place"] == next(folder.glob("key-*")).name
    assert len(told) == 2
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
    await store.commit(Put("users", "alice", b"changed"))
    with pytest.raises(StoreInUse):
        maintenance.restore(folder, tmp_path / "backup", keys(folder), nothing)
    await store.close()
    done = maintenance.restore(folder, tmp_path / "backup", keys(folder), nothing)
    assert await alice(folder) == b"secret"
    store = await open_store(folder)
    assert (await store.commit(Append("events", b"")))[0] > 3, "ids are not given again"
    await store.close()
    again = maintenance.restore(folder, tmp_path / "backup", keys(folder), nothing)
    assert again["before"] != done["before"], "whoever restores twice loses nothing either"
    maintenance.restore(folder, Path(done["before"]), keys(folder), nothing)
    assert await alice(folder) == b"changed", "what was there before can come back, too"


async def test_nothing_is_overwritten_by_a_backup(folder: Path, tmp_path: Path) -> None:
    await (await filled(folder)).close()
    target = tmp_path / "backup"
    target.write_text("precious")
    with pytest.raises(BackupExists):
        maintenance.backup(folder, target, nothing)
    assert target.read_text() == "precious"
    with pytest.raises(FileNotFoundError):
        maintenance.backup(folder, tmp_path / "nowhere" / "backup", nothing)
    assert not [path for path in folder.iterdir() if path.name.startswith("backup")]


async def test_a_backup_without_its_key_is_refused_before_anything_is_changed(folder: Path, tmp_path: Path) -> None:
    await (await filled(tmp_path / "other")).close()
    maintenance.backup(tmp_path / "other", tmp_path / "backup", nothing)
    await (await filled(folder, b"mine")).close()
    with pytest.raises(StoreSealed, match="not there"):
        maintenance.restore(folder, tmp_path / "backup", keys(folder), nothing)
    assert await alice(folder) == b"mine"
    (key,) = (tmp_path / "other").glob("key-*")
    (folder / key.name).write_bytes(key.read_bytes())
    maintenance.restore(folder, tmp_path / "backup", keys(folder), nothing)
    assert await alice(folder) == b"secret"


@pytest.mark.parametrize("what", ["nonsense", "cut off", "empty", "without keys"])
async def test_what_is_no_sound_backup_is_refused(what: str, folder: Path, tmp_path: Path) -> None:
    await (await filled(folder)).close()
    source = tmp_path / "backup"
    if what == "without keys":
        from appliance.store.sqlite import SqliteStore

        inside = await SqliteStore.open(tmp_path / "plain", clock=lambda: 0)
        await inside.copy()
        await inside.close()
        source = tmp_path / "plain" / "good.sqlite"
    else:
        maintenance.backup(folder, source, nothing)
        octets = source.read_bytes()
        source.write_bytes({"nonsense": b"x" * 9_000, "cut off": octets[: len(octets) // 2], "empty": b""}[what])
    with pytest.raises(StoreBroken):
        maintenance.restore(folder, source, keys(folder), nothing)
    assert await alice(folder) == b"secret"
    assert not list(folder.glob("*.part"))


async def test_a_backup_comes_back_over_a_damaged_store(folder: Path, tmp_path: Path) -> None:
    await (await filled(folder)).close()
    maintenance.backup(folder, tmp_path / "backup", nothing)
    (folder / "store.sqlite").write_bytes(b"x" * 9_000)
    (folder / "good.sqlite").unlink(missing_ok=True)
    maintenance.restore(folder, tmp_path / "backup", keys(folder), nothing)
    assert await alice(folder) == b"secret"
    assert (folder / "before-restore.sqlite").read_bytes() == b"x" * 9_000


async def test_after_a_rewrap_the_key_before_opens_neither_the_store_nor_its_copy(folder: Path) -> None:
    await (await filled(folder)).close()
    (before,) = folder.glob("key-*")
    done = await maintenance.rewrap(folder, keys(folder), lambda keys: keys.new_file(), nothing)
    assert done["before"]["place"] == before.name != done["now"]["place"]
    before.unlink()
    assert await alice(folder) == b"secret"
    (folder / "store.sqlite").unlink()
    assert await alice(folder) == b"secret", "the last good copy opens by the new key, too"


async def test_a_passphrase_in_place_of_a_file(folder: Path) -> None:
    await (await filled(folder)).close()
    await maintenance.rewrap(folder, keys(folder), lambda keys: keys.of_passphrase(b"correct horse"), nothing)
    with pytest.raises(StoreSealed, match="passphrase"):
        await alice(folder)
    assert await alice(folder, passphrase=lambda: b"correct horse") == b"secret"
    assert await alice(folder, credentials={"appliance-store-passphrase": b"correct horse"}) == b"secret"


async def test_rotating_leaves_nothing_under_the_key_before(folder: Path) -> None:
    await (await filled(folder)).close()
    done = await maintenance.rotate(folder, keys(folder), "aes-256-gcm", nothing)
    assert done == {"data_key": 2, "cipher": "aes-256-gcm", "values": 4}
    found = maintenance.check(folder, keys(folder), nothing)
    assert (found["values"], found["unopened"], found["under_earlier_keys"], found["rotation_ended"]) == (4, 0, 0, True)
    assert await alice(folder) == b"secret"


async def test_a_check_finds_what_does_not_open_while_the_store_is_used(folder: Path) -> None:
    store = await filled(folder)
    await store._store.commit(Put("users", "mallory", b"nonsense"))
    found = maintenance.check(folder, keys(folder), nothing)
    assert found["unopened"] == 1
    assert "users/mallory" in found["problems"][0]
    await store.close()


async def test_figures_tell_what_there_is_and_open_nothing(folder: Path) -> None:
    store = await filled(folder)
    (key,) = folder.glob("key-*")
    key.rename(folder / "away")
    found = maintenance.figures(folder)
    assert found["records"] == {"jobs": 1, "users": 1}
    assert (found["logs"], found["entries"]) == (1, 2)
    assert found["key"]["place"] == key.name
    assert found["bytes"] == (folder / "store.sqlite").stat().st_size or found["log_bytes"] > 0
    await store.close()


async def test_where_no_store_is_that_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        maintenance.figures(folder)
    with pytest.raises(StoreMissing):
        maintenance.check(folder, keys(folder), nothing)
    with pytest.raises(StoreMissing):
        maintenance.backup(folder, tmp_path / "backup", nothing)
    with pytest.raises(StoreMissing):
        await maintenance.rotate(folder, keys(folder), None, nothing)
    assert not folder.exists()
    assert not list(tmp_path.iterdir())
