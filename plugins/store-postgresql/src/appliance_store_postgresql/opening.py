"""Opens the store that a profile names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from appliance.api.api_parts import ApiServices
from appliance_store_postgresql.connecting import Connecting
from appliance_store_postgresql.settings import PostgresqlSettings
from appliance_store_postgresql.store import PostgresqlStore


@asynccontextmanager
async def opened(settings: PostgresqlSettings, services: ApiServices) -> AsyncIterator[PostgresqlStore]:
    """See `api.stores.StoreKind`."""

    async def password() -> str | None:
        return None if settings.password is None else (await services.secret(settings.password)).decode()

    name = f"appliance {services.node}"
    store = await PostgresqlStore.open(Connecting(settings, password, name), settings, clock=services.wall, name=name)
    store.told = services.report
    services.stats_from(store.stats)
    try:
        yield store
    finally:
        await store.close()
