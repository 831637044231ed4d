"""What an error of the database means, and whether the same call may succeed later."""

from __future__ import annotations

import ssl

import asyncpg
import pytest

from appliance.api.stores import StoreAway, StoreBroken, StoreFull
from appliance_store_postgresql.errors import as_told, is_lost


@pytest.mark.parametrize(
    ("error", "kind", "lost"),
    [
        (asyncpg.DiskFullError("no space left"), StoreFull, False),
        (asyncpg.TooManyConnectionsError("too many clients"), StoreAway, False),
        (asyncpg.OutOfMemoryError("out of memory"), StoreAway, False),
        (asyncpg.QueryCanceledError("statement timeout"), StoreAway, False),
        (asyncpg.DeadlockDetectedError("deadlock"), StoreAway, False),
        (asyncpg.AdminShutdownError("terminating connection"), StoreAway, True),
        (asyncpg.CannotConnectNowError("starting up"), StoreAway, True),
        (asyncpg.ConnectionDoesNotExistError("closed in the middle"), StoreAway, True),
        (ConnectionRefusedError(111, "refused"), StoreAway, True),
        (TimeoutError(), StoreAway, True),
        (ssl.SSLCertVerificationError("self-signed"), StoreBroken, True),
        (ConnectionError("the server rejected SSL upgrade"), StoreBroken, True),
        (asyncpg.ReadOnlySQLTransactionError("read-only transaction"), StoreBroken, False),
        (asyncpg.InsufficientPrivilegeError("permission denied"), StoreBroken, False),
        (asyncpg.UndefinedFunctionError("change_all_1"), StoreBroken, False),
        (asyncpg.DataCorruptedError("invalid page"), StoreBroken, False),
    ],
)
def test_each_error_says_what_to_do(error: Exception, kind: type[StoreBroken], lost: bool) -> None:
    told = as_told(error, "db:5432/appliance")
    assert type(told) is kind
    assert told.hint
    assert told.retryable == (kind is not StoreBroken)
    assert is_lost(error) == lost
