"""Two API servers on one database: what they keep there is one, however they get between each other's reads and writes."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.api.stores import Append, Put, Store
from appliance.api_server.iam.accounts import Accounts
from appliance.api_server.iam.people import NewUser
from appliance.api_server.iam.sessions import LogIn
from appliance.api_server.jobs.event_log import EventLog
from appliance.management.iam.refresh import GRACE
from appliance.management.iam.tokens import TokenNotValid
from appliance.management.jobs.events import Beat, Event
from appliance.store.opening import sealed
from appliance.store.sealed import SealedStore
from appliance.testing.services import FakeApiServices
from appliance_store_postgresql.plugin import POSTGRESQL
from appliance_store_postgresql.settings import PostgresqlSettings
from tests.rigs.postgresql import Cluster, cluster
from tests.unit.api_server.iam.rig import HOST, PASSWORD, REALM, Clock, Rig

EVENTS = 2_000


@pytest.fixture(scope="module")
def database() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@asynccontextmanager
async def two(database: Cluster, tmp_path: Path, clock: Callable[[], float]) -> AsyncIterator[list[SealedStore]]:
    """The stores of two API servers whose hosts have the same key."""
    schema = f"s{abs(hash(tmp_path))}"
    async with AsyncExitStack() as stack:
        stores = []
        for _ in range(2):
            settings = PostgresqlSettings(**database.settings(schema=schema))
            inside = await stack.enter_async_context(POSTGRESQL.open(settings, FakeApiServices(wall=clock)))
            stores.append(await sealed(inside, tmp_path / "keys", clock=clock))
        yield stores


async def test_fifty_refreshes_at_once_are_one_and_log_nobody_out(database: Cluster, tmp_path: Path) -> None:
    rig = Rig()
    async with two(database, tmp_path, rig.clock) as stores:
        servers = [accounts(rig, store) for store in stores]
        await servers[0].people.create(HOST, NewUser("alice", PASSWORD, ()))
        phone, laptop = [await servers[turn].sessions.log_in(LogIn("alice", PASSWORD)) for turn in range(2)]
        grants = await asyncio.gather(*(servers[turn % 2].sessions.refresh(phone.refresh_token) for turn in range(50)))
        assert len({grant.refresh_token for grant in grants}) == 1
        assert sorted(record.version for record in await stores[1].scan("iam.families")) == [1, 2], "one family, changed once"
        for turn, grant in enumerate(grants):
            assert await servers[(turn + 1) % 2].callers.authenticate(grant.access_token)
        successor = await servers[1].sessions.refresh(grants[0].refresh_token)

        rig.clock.now += GRACE + 1
        copies = (servers[turn % 2].sessions.refresh(phone.refresh_token) for turn in range(50))
        outcomes = await asyncio.gather(*copies, return_exceptions=True)
        assert all(isinstance(outcome, TokenNotValid) for outcome in outcomes)
        for server in servers:
            with pytest.raises(TokenNotValid):
                await server.sessions.refresh(successor.refresh_token)
        assert await servers[0].sessions.refresh(laptop.refresh_token), "the other log-in stays"


def accounts(rig: Rig, store: Store) -> Accounts:
    return Accounts(store, rig.clock, rig.randomness, rig.hasher, realm=REALM, note=rig.notes.append, keep=kept)


def kept(note: Any) -> Append:
    return Append("kept notes", note.what.encode())


async def test_a_thousand_random_cuts_of_streams_at_either_lose_and_double_nothing(database: Cluster, tmp_path: Path) -> None:
    dice = random.Random(54)
    async with two(database, tmp_path, Clock()) as stores, logs(stores) as (one, other):

        async def happen() -> None:
            for number in range(EVENTS):
                dice.choice((one, other)).publish("node.x", {"n": number})
                if number % 10 == 0:
                    await asyncio.sleep(dice.random() / 200)

        happening = asyncio.ensure_future(happen())
        cuts, cursor = 0, 0
        seen: list[tuple[int, int]] = []
        async with asyncio.timeout(120):
            while len(seen) < EVENTS or cuts < 1_000:
                stream = dice.choice((one, other)).follow(cursor, heartbeat=0.01)
                for _ in range(dice.randrange(4)):
                    item = await anext(stream)
                    assert isinstance(item, Event | Beat)
                    cursor = item.cursor if isinstance(item, Beat) else item.id
                    if isinstance(item, Event):
                        seen.append((item.id, json.loads(item.text)["n"]))
                await stream.aclose()
                cuts += 1
        await happening
        assert [number for number, _ in seen] == list(range(1, EVENTS + 1))
        assert sorted(n for _, n in seen) == list(range(EVENTS))


@asynccontextmanager
async def logs(stores: list[SealedStore]) -> AsyncIterator[list[EventLog]]:
    made = [EventLog(store) for store in stores]
    for log in made:
        await log.open()
    running = [asyncio.ensure_future(log.run()) for log in made]
    try:
        yield made
    finally:
        for log, task in zip(made, running, strict=True):
            log.close()
            task.cancel()
        await asyncio.wait(running)


async def test_events_wait_for_a_database_that_is_restarted_and_come_once(tmp_path: Path) -> None:
    with cluster() as own:
        async with two(own, tmp_path, Clock()) as stores, logs(stores) as (one, other):
            for number in range(50):
                one.publish("node.x", {"n": number})
            await asyncio.to_thread(own.kill)
            for number in range(50, 100):
                one.publish("node.x", {"n": number})
            await asyncio.to_thread(own.start)
            seen: list[int] = []
            async with asyncio.timeout(60):
                async for item in other.follow(0):
                    if isinstance(item, Event):
                        seen.append(json.loads(item.text)["n"])
                    if len(seen) == 100:
                        break
            assert seen == list(range(100))


async def test_a_rotation_while_both_write_leaves_every_value_readable(database: Cluster, tmp_path: Path) -> None:
    async with two(database, tmp_path, Clock()) as (one, other):
        ended = asyncio.Event()

        async def write(writer: int) -> int:
            number = 0
            while not ended.is_set():
                number += 1
                store = (one, other)[writer % 2]
                await store.commit(Put("a", f"{writer} {number % 50}", b"%d" % number), Append("log", b"%d" % writer, keep=500))
            return number

        writing = [asyncio.ensure_future(write(writer)) for writer in range(4)]
        for cipher in ("aes-256-gcm", "hse"):
            await one.rotate(cipher)
            assert len(one.ring.keys) == 1
        ended.set()
        assert min(await asyncio.gather(*writing)) > 0
        assert len(await other.scan("a", limit=1000)) > 0
        assert len((await other.tail("log", limit=1000)).entries) > 0
        assert one.stats()["unopened"] == other.stats()["unopened"] == 0
