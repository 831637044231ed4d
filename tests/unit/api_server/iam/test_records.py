"""Records in the store: damaged ones are said, and who was slower decides anew."""

from __future__ import annotations

import pytest

from appliance.api.stores import Conflict, Put, StoreBroken
from appliance.api_server.iam.records import ATTEMPTS_AT_ONCE, USERS, Records, put, settled
from appliance.management.iam.users import User
from appliance.store.memory import MemoryStore

ALICE = User("a1", "alice", "", ("viewer",), 1, 1)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(clock=lambda: 0.0)


async def test_a_record_comes_back_with_its_version(store: MemoryStore) -> None:
    records = Records(store)
    await records.commit(put(USERS, "a1", ALICE, 0))
    found = await records.get(USERS, "a1", User)
    assert found == (ALICE, 1)
    with pytest.raises(Conflict):
        await records.commit(put(USERS, "a1", ALICE, 0))


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"null", b"\xff", b'{"id": "a1"}'])
async def test_a_damaged_record_is_said_and_not_guessed_at(store: MemoryStore, value: bytes) -> None:
    await store.commit(Put(USERS, "a1", value))
    with pytest.raises(StoreBroken):
        await Records(store).get(USERS, "a1", User)


async def test_a_decision_is_made_anew_until_it_holds() -> None:
    tries = []

    async def decide() -> str:
        tries.append(1)
        if len(tries) < 10:
            raise Conflict("slower")
        return "done"

    assert await settled(decide) == "done"
    assert len(tries) == 10


async def test_but_not_for_ever() -> None:
    tries = []

    async def decide() -> None:
        tries.append(1)
        raise Conflict("slower")

    with pytest.raises(Conflict):
        await settled(decide)
    assert len(tries) == ATTEMPTS_AT_ONCE
