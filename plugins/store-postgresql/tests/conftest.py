"""One server for all tests of the plugin that do not end it, and stores in it."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from appliance_store_postgresql.connecting import Connecting
from appliance_store_postgresql.settings import PostgresqlSettings
from appliance_store_postgresql.store import PostgresqlStore
from tests.rigs.postgresql import Cluster, cluster

Opening = Callable[..., Awaitable[PostgresqlStore]]
_SCHEMAS = itertools.count()


@pytest.fixture(scope="session")
def database() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture
def schema() -> str:
    """Of the test alone."""
    return f"s{next(_SCHEMAS)}"


@pytest.fixture
async def opening(database: Cluster, schema: str) -> AsyncIterator[Opening]:
    """Opens stores, all of one schema, which end with the test."""
    opened: list[PostgresqlStore] = []

    async def opens(clock: Callable[[], float] = time.time, **more: Any) -> PostgresqlStore:
        settings = PostgresqlSettings(**{**database.settings(schema=schema), **more})
        opened.append(await PostgresqlStore.open(Connecting(settings, no_password, "test"), settings, clock=clock, name="test"))
        return opened[-1]

    yield opens
    for store in opened:
        await store.close()


async def no_password() -> None:
    return None
