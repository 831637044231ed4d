"""What an admin does to a store in a folder: its keys, copies of it, and a look at it. Each deed tells its steps by `progress`.

A process that is killed at any moment of them leaves a store that opens, with everything that was in it; do it again then.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final

from appliance.api.stores import StoreBroken
from appliance.errors import ApplianceError
from appliance.foundation.clock import wall
from appliance.foundation.entropy import random_bytes
from appliance.foundation.whole_files import PART, sync_folder
from appliance.store import copies
from appliance.store.envelope import Place
from appliance.store.folder import WAL, Folder
from appliance.store.keys import Keys
from appliance.store.ring import KEY, SPACE, Ring, Wrapping, WrappingKey, opened, wrapping_of
from appliance.store.schema import STEPS
from appliance.store.sealed import Progress, SealedStore, open_value
from appliance.store.sqlite import SqliteStore
from appliance.store.sqlite_errors import as_told
from appliance.store.transaction import read_record

ChooseKey = Callable[[Keys], WrappingKey]
Acting = Callable[[], AbstractContextManager[Any]]
"""What is done within is done as the user who owns the store."""
MOST_TOLD: Final = 20
"""Places of values that do not open."""


class StoreMissing(ApplianceError):
    """There is no store in that folder."""


class BackupExists(ApplianceError):
    """The file of a backup is there already. It stays as it is."""


async def rewrap(folder: Path, keys: Keys, choose: ChooseKey, progress: Progress) -> dict[str, Any]:
    """Let another key open the store, which nobody else has open. Returns which it was and which it is. Raises what opening and
    `choose` raise."""
    async with _both(folder, keys) as (inside, store):
        before = store.ring.wrapped_by.wrapping
        key = choose(keys)
        progress("the new key is there")
        await store.rewrap(key)
        progress("the new key opens the store")
        await inside.copy()
        progress("the last good copy is made anew")
        return {"before": shown(before), "now": shown(key.wrapping)}


async def rotate(folder: Path, keys: Keys, cipher: str | None, progress: Progress) -> dict[str, Any]:
    """Seal all values under a new data key, in a store that nobody else has open. Returns its number, its cipher, and how many
    values there were. Raises what opening raises."""
    async with _both(folder, keys) as (inside, store):
        done = await store.rotate(cipher, progress)
        progress("the earlier data keys are gone")
        await inside.copy()
        progress("the last good copy is made anew")
        return {"data_key": store.ring.current.number, "cipher": store.ring.current.cipher, "values": done}


def backup(folder: Path, target: Path, progress: Progress, acting: Acting = nullcontext) -> dict[str, Any]:
    """Write a verified copy of a store, which may be in use, to a new file. Returns its size and which key opens it. Raises
    StoreMissing, BackupExists, StoreBroken, StoreFull, OSError."""
    if target.exists():
        raise BackupExists(f"{target} exists already and is not overwritten", hint="name another file")
    part = target.with_name(target.name + PART)
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out, acting():
            _there(folder)
            made = Folder(folder).part(folder / f"backup-{os.getpid()}")
            try:
                copies.snapshot(Folder(folder), made)
                progress("the copy is made and verified")
                with closing(copies.connect(made, read_only=True)) as connection:
                    wrapping = wrapping_of(_ring_document(connection))
                with made.open("rb") as copy:
                    shutil.copyfileobj(copy, out)
            finally:
                made.unlink(missing_ok=True)
            out.flush()
            os.fsync(out.fileno())
        progress("the copy is written")
        part.rename(target)
        sync_folder(target.parent)
        return {"file": str(target), "bytes": target.stat().st_size, "key": shown(wrapping)}
    finally:
        part.unlink(missing_ok=True)


def restore(folder: Path, source: Path, keys: Keys, progress: Progress, acting: Acting = nullcontext) -> dict[str, Any]:
    """Let a backup take the place of a store that nobody has open; what was the store stays beside it. Returns where. Raises
    StoreMissing, StoreInUse, StoreSealed if its key is not here, StoreBroken, StoreFull, OSError."""
    with source.open("rb") as file, acting():
        _there(folder)
        place = Folder(folder)
        lock = place.lock()
        incoming = place.part(folder / "incoming.sqlite")
        try:
            with incoming.open("wb") as out:
                shutil.copyfileobj(file, out)
            progress("the backup is read")
            _judge(incoming, source, keys)
            progress("the backup is verified, and its key is here")
            # A damaged one stays as it is, with its write-ahead log.
            with suppress(sqlite3.Error), closing(copies.connect(place.main)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            before = place.new_before()
            copies.put_back(place, incoming, before)
            progress("the backup is the store")
            copies.copy(place)
            progress("the last good copy is made anew")
        finally:
            incoming.unlink(missing_ok=True)
            os.close(lock)
        return {"store": str(place.main), "before": str(before)}


def figures(folder: Path) -> dict[str, Any]:
    """How large a store is and what is in it, without opening a value. It may be in use. Raises StoreMissing, StoreBroken."""
    place = Folder(folder)
    with _read_only(place) as connection:
        spaces = dict(connection.execute("SELECT space, count(*) FROM records WHERE space != ? GROUP BY space", (SPACE,)))
        logs, entries = connection.execute("SELECT count(*), coalesce(sum(size), 0) FROM logs").fetchone()
        pages, free, page_bytes = (_pragma(connection, word) for word in ("page_count", "freelist_count", "page_size"))
        document = _ring_document(connection)
    log = place.main.with_name(place.main.name + WAL)
    copied = place.good.stat() if place.good.exists() else None
    return {
        "store": str(place.main),
        "bytes": pages * page_bytes,
        "free_bytes": free * page_bytes,
        "log_bytes": log.stat().st_size if log.exists() else 0,
        "records": spaces,
        "logs": logs,
        "entries": entries,
        "key": shown(wrapping_of(document)),
        "copied_at": None if copied is None else int(copied.st_mtime),
        "copy_bytes": 0 if copied is None else copied.st_size,
    }


def check(folder: Path, keys: Keys, progress: Progress) -> dict[str, Any]:
    """Look at the whole file and open every value. The store may be in use. Raises StoreMissing, StoreSealed, and StoreBroken if
    the file itself is damaged."""
    with _read_only(Folder(folder)) as connection:
        copies.look(connection, "integrity_check")
        progress("the file is sound")
        ring = _ring(_ring_document(connection), keys)
        values, wrong, earlier = 0, list[str](), 0
        for place, value in _values(connection):
            values += 1
            try:
                _, number = open_value(ring, value, place)
                earlier += number != ring.current.number
            except StoreBroken as error:
                wrong.append(error.message)
    return {
        "values": values,
        "unopened": len(wrong),
        "problems": wrong[:MOST_TOLD],
        "data_key": ring.current.number,
        "cipher": ring.current.cipher,
        "made_at": ring.current.made,
        "under_earlier_keys": earlier,
        "rotation_ended": len(ring.keys) == 1,
    }


@asynccontextmanager
async def _both(folder: Path, keys: Keys) -> AsyncIterator[tuple[SqliteStore, SealedStore]]:
    _there(folder)
    inside = await SqliteStore.open(folder, clock=wall)
    try:
        yield inside, await SealedStore.open(inside, keys, entropy=random_bytes, clock=wall)
    finally:
        await inside.close()


@contextmanager
def _read_only(place: Folder) -> Iterator[sqlite3.Connection]:
    """All of one moment."""
    _there(place.path)
    try:
        with closing(copies.connect(place.main, read_only=True)) as connection:
            connection.execute("BEGIN")
            yield connection
    except sqlite3.Error as error:
        raise as_told(error, place.main) from error


def _there(folder: Path) -> None:
    if not Folder(folder).main.exists():
        hint = "the API server makes it at its first start; --store PATH names another folder"
        raise StoreMissing(f"there is no store in {folder}", hint=hint)


def _judge(incoming: Path, source: Path, keys: Keys) -> None:
    try:
        version = copies.verify(incoming)
    except StoreBroken as error:
        raise StoreBroken(f"{source} is no sound backup: {error.message}", hint="name another backup") from error
    if not 1 <= version <= len(STEPS) + 1:  # one further finds its way back
        raise StoreBroken(
            f"{source} has the form {version}, this version knows {len(STEPS)}", hint="install the version it is from"
        )
    with closing(copies.connect(incoming, read_only=True)) as connection:
        _ring(_ring_document(connection), keys)


def _ring_document(connection: sqlite3.Connection) -> bytes:
    record = read_record(connection, SPACE, KEY, 0)
    if record is None:
        raise StoreBroken("the store has no keys", hint="it was not made by the API server: name another file")
    return record.value


def _ring(document: bytes, keys: Keys) -> Ring:
    return opened(document, keys.find(wrapping_of(document)))


def _values(connection: sqlite3.Connection) -> Iterator[tuple[Place, bytes]]:
    for space, key, value in connection.execute("SELECT space, key, value FROM records WHERE space != ?", (SPACE,)):
        yield Place(b"R", space, key.decode()), value
    for name, value in connection.execute("SELECT name, value FROM entries JOIN logs ON logs.number = entries.log"):
        yield Place(b"L", name, ""), value


def _pragma(connection: sqlite3.Connection, word: str) -> int:
    number: int = connection.execute(f"PRAGMA {word}").fetchone()[0]
    return number


def shown(wrapping: Wrapping) -> dict[str, str]:
    """Which key it is, for people."""
    return {"kind": wrapping.kind, "id": wrapping.id, "place": wrapping.place}
