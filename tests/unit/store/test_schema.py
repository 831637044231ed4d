"""A file of one version becomes one of the next, and of the one before, without losing what is in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.api.stores import Put, Record, StoreBroken
from appliance.store.schema import APPLICATION_ID, STEPS, Step, migrate, version_of
from appliance.store.sqlite import SqliteStore
from appliance.testing.conformance.store import Clock

NEXT = (
    *STEPS,
    Step(
        forward=(
            "ALTER TABLE records ADD COLUMN note TEXT",
            "CREATE TABLE notes (text TEXT)",
            "INSERT INTO notes VALUES ('hello')",
        ),
        back=("DROP TABLE notes", "ALTER TABLE records DROP COLUMN note"),
    ),
)
FURTHER = (*NEXT, Step(forward=("CREATE TABLE more (text TEXT)",), back=("DROP TABLE more",)))


async def kept(folder: Path, steps: tuple[Step, ...], more: bytes) -> list[Record]:
    """What is there for a program that knows these versions; it adds something."""
    store = await SqliteStore.open(folder, clock=Clock(), steps=steps)
    await store.commit(Put("a", more.decode(), more))
    found = await store.scan("a")
    await store.close()
    return found


async def test_forward_and_back_nothing_is_lost(tmp_path: Path) -> None:
    assert len(await kept(tmp_path, STEPS, b"one")) == 1
    before = shape(tmp_path)
    assert len(await kept(tmp_path, NEXT, b"two")) == 2
    assert shape(tmp_path) != before
    assert len(await kept(tmp_path, STEPS, b"three")) == 3
    assert shape(tmp_path) == before
    assert len(await kept(tmp_path, FURTHER, b"four")) == 4
    assert len(await kept(tmp_path, NEXT, b"five")) == 5


async def test_two_versions_back_are_refused_and_told(tmp_path: Path) -> None:
    await kept(tmp_path, FURTHER, b"one")
    with pytest.raises(StoreBroken, match="newer version: its form is 3, this one knows 1"):
        await kept(tmp_path, STEPS, b"two")
    assert [record.key for record in await kept(tmp_path, FURTHER, b"three")] == ["one", "three"]


def test_a_step_that_fails_changes_nothing(memory: sqlite3.Connection) -> None:
    migrate(memory)
    wrong = (*NEXT, Step(forward=("CREATE TABLE more (text TEXT)", "nonsense"), back=()))
    with pytest.raises(sqlite3.OperationalError):
        migrate(memory, wrong)
    assert version_of(memory) == 1
    assert migrate(memory, NEXT) == (1, 2)
    assert migrate(memory, NEXT) == (2, 2)


@pytest.mark.parametrize("statement", ["ATTACH '{}' AS other", "PRAGMA user_version = 77", "nonsense"])
def test_a_way_back_stays_inside_its_file(statement: str, memory: sqlite3.Connection, tmp_path: Path) -> None:
    there = tmp_path / "there"
    migrate(memory, (*STEPS, Step(forward=(), back=(statement.format(there),))))
    with pytest.raises(sqlite3.DatabaseError):
        migrate(memory, STEPS)
    assert version_of(memory) == 2
    assert not there.exists()


def test_a_version_without_a_way_back_is_refused(memory: sqlite3.Connection) -> None:
    migrate(memory, (*STEPS, Step(forward=(), back=())))
    with pytest.raises(StoreBroken, match="newer"):
        migrate(memory, STEPS)


@pytest.mark.parametrize(
    "make",
    [
        lambda c: c.execute("CREATE TABLE songs (name TEXT)"),
        lambda c: c.execute("PRAGMA application_id = 7"),
        lambda c: c.execute("PRAGMA user_version = 1"),
    ],
    ids=["tables", "another program's", "a version only"],
)
def test_what_is_no_store_is_refused(make: Callable[[sqlite3.Connection], object]) -> None:
    other = sqlite3.connect(":memory:", isolation_level=None)
    make(other)
    with pytest.raises(StoreBroken, match="another program"):
        migrate(other)


@pytest.fixture
def memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    return connection


def shape(folder: Path) -> list[str]:
    connection = sqlite3.connect(folder / "store.sqlite")
    rows = connection.execute("SELECT name || sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").fetchall()
    connection.close()
    return [row[0] for row in rows]
