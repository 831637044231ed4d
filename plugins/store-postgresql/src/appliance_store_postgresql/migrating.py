"""Brings a schema to the form of this version. Several servers may begin at once: one does it, and the others wait for it."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.api.stores import StoreBroken
from appliance_store_postgresql.connecting import Connection
from appliance_store_postgresql.forms import FORMS


async def migrate(connection: Connection, schema: str, forms: Sequence[Sequence[str]] = FORMS) -> tuple[int, int]:
    """Make the schema and its tables, or bring them forward, in one transaction. Returns the form that there was, and that there
    is. Raises StoreBroken for what is not ours or newer, and asyncpg's errors."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('appliance store'), hashtext($1))", schema)
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema):
            await connection.execute(f'CREATE SCHEMA "{schema}"')
        if not await connection.fetchval("SELECT has_schema_privilege($1, 'USAGE')", schema):
            hint = "it belongs to another role: log in as that one, or have it grant what is missing"
            raise StoreBroken(f"the role may not use the schema {schema}", hint=hint)
        found = await _form(connection, schema)
        if found > len(forms):
            raise StoreBroken(
                f"the schema {schema} was written by a newer version: its form is {found}, this one knows {len(forms)}",
                hint="install that version here too",
            )
        if found < len(forms):
            for statement in (statement for form in forms[found:] for statement in form):
                await connection.execute(statement)
            await connection.execute("UPDATE store SET form = $1", len(forms))
    return found, len(forms)


async def _form(connection: Connection, schema: str) -> int:
    tables = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r'", schema
    )
    if not tables:
        return 0
    if "store" not in {row["relname"] for row in tables}:
        raise StoreBroken(f"the schema {schema} has tables of another program", hint="name another schema")
    form: int = await connection.fetchval("SELECT form FROM store")
    return form
