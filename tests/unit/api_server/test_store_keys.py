"""The data key changes while the store is used."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from appliance.api.stores import Append, Put
from appliance.api_server.iam.tools import CHANGES, Note
from appliance.api_server.store_keys import store_handlers
from appliance.store import maintenance
from appliance.store.keys import Keys
from appliance.store.opening import open_store


async def test_rotate_leaves_no_value_nor_copy_under_the_key_before_and_is_noted(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "store")
    await store.commit(*(Put("users", f"{n:03}", b"%d" % n) for n in range(250)))
    noted: list[Note] = []
    notes = SimpleNamespace(keep=lambda note: Append("notes", note.what.encode()), note=noted.append)
    kept: Any = SimpleNamespace(store=store, sealed=store, notes=notes)
    call: Any = SimpleNamespace(arguments=SimpleNamespace(cipher="aes-256-gcm"), caller=SimpleNamespace(user="a1"))
    assert await store_handlers(kept)["store.rotate"](call) == {"data_key": 2, "cipher": "aes-256-gcm", "values": 250}
    assert [(note.what, note.user) for note in noted] == [("user.store.rotated", "a1")]
    assert noted[0].what in CHANGES
    assert (await store.tail("notes")).newest == 1
    keys = Keys(tmp_path / "store", entropy=bytes)
    found = maintenance.check(tmp_path / "store", keys, lambda _: None)
    assert (found["data_key"], found["under_earlier_keys"], found["rotation_ended"]) == (2, 0, True)
    other = tmp_path / "other"
    other.mkdir()
    for path in (tmp_path / "store").glob("key-*"):
        shutil.copy(path, other)
    shutil.copy(tmp_path / "store" / "good.sqlite", other / "store.sqlite")
    copy = maintenance.check(other, Keys(other, entropy=bytes), lambda _: None)
    assert (copy["data_key"], copy["under_earlier_keys"], copy["rotation_ended"]) == (2, 0, True)
    assert [record.value for record in await store.scan("users", limit=250)] == [b"%d" % n for n in range(250)]
    await store.close()
