"""The accounts as a whole, on the store that a node has."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appliance.api_server.iam.accounts import Accounts
from appliance.api_server.iam.hashing import HashingThreads
from appliance.api_server.iam.registration import Registering
from appliance.api_server.iam.sessions import LogIn
from appliance.management.iam.refresh import GRACE
from appliance.management.iam.tokens import TokenNotValid
from appliance.store.sqlite import SqliteStore
from tests.unit.api_server.iam.rig import CHEAP, PASSWORD, REALM, Clock, Randomness


async def test_a_days_work_and_a_restart_on_a_store_in_a_file(tmp_path: Path) -> None:
    clock, randomness = Clock(), Randomness()
    store = await SqliteStore.open(tmp_path / "store", clock=clock)
    accounts = Accounts(store, clock, randomness, HashingThreads(CHEAP), realm=REALM)
    code = await accounts.registration.first_code()
    assert code is not None
    root = await accounts.registration.register(Registering(code, "chief", PASSWORD))
    grant = await accounts.sessions.log_in(LogIn("chief", PASSWORD))
    grants = await asyncio.gather(*(accounts.sessions.refresh(grant.refresh_token) for _ in range(50)))
    assert len({one.refresh_token for one in grants}) == 1
    accounts.close()
    await store.close()

    store = await SqliteStore.open(tmp_path / "store", clock=clock)
    accounts = Accounts(store, clock, randomness, HashingThreads(CHEAP), realm=REALM)
    assert await accounts.registration.first_code() is None
    assert (await accounts.callers.authenticate(grants[0].access_token)).user == root.id
    clock.now += GRACE + 1
    with pytest.raises(TokenNotValid):
        await accounts.sessions.refresh(grant.refresh_token)
    with pytest.raises(TokenNotValid):
        await accounts.sessions.refresh(grants[0].refresh_token)
    accounts.close()
    await store.close()
    secrets = [PASSWORD, grant.refresh_token, grants[0].refresh_token, grants[0].access_token, code]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "store").iterdir())
    assert not [secret for secret in secrets if secret.encode() in kept]
