"""Registers the store `postgresql`."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from appliance.api.api_parts import ApiServices
from appliance.api.hookspecs import hookimpl
from appliance.api.stores import StoreKind

if TYPE_CHECKING:
    from appliance_store_postgresql.settings import PostgresqlSettings
    from appliance_store_postgresql.store import PostgresqlStore

conformance: dict[str, dict[str, Any]] = {"postgresql": {"own": "schema"}}
"""A check makes a schema for each test; which database it may use, the environment says."""


def _settings() -> type[PostgresqlSettings]:
    from appliance_store_postgresql.settings import PostgresqlSettings

    return PostgresqlSettings


def _open(settings: PostgresqlSettings, services: ApiServices) -> AbstractAsyncContextManager[PostgresqlStore]:
    from appliance_store_postgresql.opening import opened

    return opened(settings, services)


POSTGRESQL = StoreKind(
    "postgresql",
    _settings,
    _open,
    ("asyncpg", "appliance_store_postgresql.opening"),
    "by pg_dump and pg_restore of its schema, or pg_basebackup (docs/postgresql.md)",
)


@hookimpl
def appliance_stores() -> tuple[StoreKind, ...]:
    """The kind."""
    return (POSTGRESQL,)
