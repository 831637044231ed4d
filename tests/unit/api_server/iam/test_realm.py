"""All API servers of one store issue and take tokens in one name."""

from __future__ import annotations

from appliance.api_server.iam.accounts import Accounts
from appliance.api_server.iam.hashing import HashingThreads
from appliance.api_server.iam.realm import realm_of
from appliance.store.memory import MemoryStore
from tests.unit.api_server.iam.rig import CHEAP, HOST, PASSWORD, Clock, LogIn, NewUser, Randomness, kept_note


async def test_a_token_of_one_node_is_good_at_another_that_shares_its_store() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    one, other = [await accounts(store, clock, identity) for identity in ("llp1:one", "llp1:other")]
    await one.people.create(HOST, NewUser("alice", PASSWORD, ()))
    for here, there in ((one, other), (other, one)):
        grant = await here.sessions.log_in(LogIn("alice", PASSWORD))
        assert (await there.callers.authenticate(grant.access_token)).name == "alice"
        assert (await there.sessions.refresh(grant.refresh_token)).user.name == "alice"
    assert one.tools.realm.issuer == "urn:appliance:llp1:one"


async def accounts(store: MemoryStore, clock: Clock, identity: str) -> Accounts:
    return Accounts(store, clock, Randomness(), HashingThreads(CHEAP), realm=await realm_of(store, identity), keep=kept_note)


async def test_without_room_to_write_it_down_the_node_has_the_name_it_would_have() -> None:
    store = MemoryStore(clock=Clock(), limit=1)
    realm = await realm_of(store, "llp1:one")
    assert realm.issuer == "urn:appliance:llp1:one"
    assert store.stats()["full"] == 1
