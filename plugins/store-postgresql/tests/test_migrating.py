"""The schema: made once whoever begins, brought forward with all that is in it, and left alone where it is somebody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from appliance.api.stores import Append, Put, Record, StoreBroken
from appliance_store_postgresql.forms import FORMS
from appliance_store_postgresql.migrating import migrate
from appliance_store_postgresql.store import PostgresqlStore
from tests.rigs.postgresql import Cluster

Opening = Callable[..., Awaitable[PostgresqlStore]]
NEXT = (*FORMS, ("ALTER TABLE records ADD COLUMN note text", "DROP FUNCTION sweep_1"))
"""The form of a version to come."""


async def brought(database: Cluster, schema: str, forms: tuple[tuple[str, ...], ...]) -> tuple[int, int]:
    made = await asyncpg.connect(
        host=str(database.folder), user="owner", database="postgres", server_settings={"search_path": schema}
    )
    try:
        return await migrate(made, schema, forms)
    finally:
        await made.close()


async def test_of_many_who_begin_at_once_one_makes_it(database: Cluster, opening: Opening) -> None:
    stores = await asyncio.gather(*(opening() for _ in range(8)))
    assert [await store.commit(Append("log", b"")) for store in stores] == [[number] for number in range(1, 9)]


async def test_a_newer_version_keeps_all_and_an_older_one_says_what_to_do(
    database: Cluster, opening: Opening, schema: str
) -> None:
    store = await opening()
    await store.commit(Put("a", "x", b"kept"))
    assert await brought(database, schema, FORMS) == (1, 1)
    assert await brought(database, schema, NEXT) == (1, 2)
    assert await store.get("a", "x") == Record("x", b"kept", 1), "one that runs goes on while what it needs is there"
    with pytest.raises(StoreBroken, match="its form is 2, this one knows 1") as raised:
        await opening()
    assert "install that version" in raised.value.hint


async def test_one_that_runs_says_so_when_what_it_needs_has_gone(database: Cluster, opening: Opening, schema: str) -> None:
    store = await opening()
    database.run(f"ALTER FUNCTION {schema}.change_all_1 RENAME TO change_all_2")
    with pytest.raises(StoreBroken, match="change_all_1") as raised:
        await store.commit(Put("a", "x", b""))
    assert "newer form" in raised.value.hint


async def test_a_step_that_fails_changes_nothing(database: Cluster, opening: Opening, schema: str) -> None:
    await opening()
    with pytest.raises(asyncpg.PostgresError):
        await brought(database, schema, (*NEXT, ("SELECT nothing",)))
    assert await brought(database, schema, FORMS) == (1, 1)


async def test_a_schema_with_tables_of_others_is_left_alone(database: Cluster, opening: Opening, schema: str) -> None:
    database.run(f"CREATE SCHEMA {schema} CREATE TABLE theirs (x int)")
    with pytest.raises(StoreBroken, match="another program"):
        await opening()
    assert database.run(f"SELECT count(*) FROM pg_class WHERE relnamespace = '{schema}'::regnamespace") == "1"


async def test_an_empty_schema_that_is_there_is_taken(database: Cluster, opening: Opening, schema: str) -> None:
    database.run(f"CREATE ROLE {schema} LOGIN; CREATE SCHEMA {schema} AUTHORIZATION {schema}")
    store = await opening(user=schema)
    assert await store.commit(Put("a", "x", b"")) == [1]


async def test_who_may_not_make_it_is_told(database: Cluster, opening: Opening, schema: str) -> None:
    database.run(f"CREATE ROLE {schema} LOGIN")
    with pytest.raises(StoreBroken, match="permission denied") as raised:
        await opening(user=schema)
    assert "GRANT CREATE" in raised.value.hint


async def test_who_may_not_use_what_another_role_made_is_told(database: Cluster, opening: Opening, schema: str) -> None:
    await opening()
    database.run(f"CREATE ROLE {schema} LOGIN")
    with pytest.raises(StoreBroken, match="may not use the schema") as raised:
        await opening(user=schema)
    assert "another role" in raised.value.hint
