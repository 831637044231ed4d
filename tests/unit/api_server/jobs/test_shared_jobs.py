"""Jobs of several API servers that share a store, and of a store that is away for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from appliance.api.stores import Change, StoreAway
from appliance.api_server.jobs.jobs import GONE
from appliance.management.jobs.events import Beat, Event, Stale
from appliance.management.jobs.execution import Limits, State
from appliance.store.memory import MemoryStore
from tests.rigs.virtual_loop import played
from tests.unit.api_server.jobs.house import ALICE, House, Node, after, house, new_store, until, virtual_wall
from tests.unit.management.jobs.written import step, template

LOOK = template(step("health"), name="look")


def test_another_api_server_cancels_what_this_one_runs() -> None:
    async def story() -> None:
        store = new_store()
        async with (
            house(store, node(health=after(1, {"ok": False})), server="one") as one,
            house(store, node(), server="two") as two,
        ):
            begun = await one.jobs.start(ALICE, "trial", {})
            await until(lambda: "health" in one.node.deeds)
            assert (await two.jobs.cancel(begun.id)).state is State.CANCELLING
            ended = await one.over(begun)
            assert ended.state is State.CANCELLED
            assert one.node.deeds[-1] == "rollback"
            assert [event async for event in two.jobs.follow(begun.id, None)][-1].kind == "state"

    played(story())


def test_a_wait_of_minutes_is_cancelled_by_another_api_server_when_this_one_looks() -> None:
    async def story() -> None:
        store = new_store()
        async with house(store, node(health=after(600)), server="one") as one, house(store, node(), server="two") as two:
            begun = await one.jobs.start(ALICE, "look", {})
            await until(lambda: "health" in one.node.deeds)
            await one.jobs.heed()
            assert (await one.jobs.get(begun.id)).state is State.RUNNING
            await two.jobs.cancel(begun.id)
            at = asyncio.get_running_loop().time()
            await one.jobs.heed()
            assert (await one.over(begun)).state is State.CANCELLED
            assert asyncio.get_running_loop().time() < at + 10, "it does not wait for the node's answer"
            told = [event.kind for event in await events_of_log(one)]
            assert told == ["jobs.queued", "jobs.running", "jobs.cancelling", "jobs.cancelled"]

    played(story())


def test_what_a_server_ran_that_is_gone_is_settled_once_and_what_waited_there_waits() -> None:
    async def story() -> None:
        store = new_store()
        few = Limits(of_a_user=1)
        async with house(store, node(health=after(600)), server="one", limits=few) as one, house(store, server="two") as two:
            running, waiting = [await one.jobs.start(ALICE, "look", {}) for _ in range(2)]
            await until(lambda: "health" in one.node.deeds)
            await two.jobs.settle("three")
            assert (await two.jobs.get(running.id)).state is State.RUNNING
            async with house(store, server="four") as four:
                await asyncio.gather(two.jobs.settle("one"), four.jobs.settle("one"))
            found = await two.jobs.get(running.id)
            assert (found.state, found.error and found.error["message"]) == (State.INTERRUPTED, GONE)
            assert (await two.jobs.get(waiting.id)).state is State.QUEUED
            assert [event.kind for event in await events_of_log(two)].count("jobs.interrupted") == 1
            at = asyncio.get_running_loop().time()
            await one.jobs.heed()
            await until(lambda: one.jobs.stats()["running"] == 1 and one.node.deeds.count("health") == 2)
            assert asyncio.get_running_loop().time() < at + 10, "one that comes back ends what was settled"

    played(story())


async def events_of_log(there: House) -> list[Event]:
    await asyncio.sleep(2)
    return [event for event in there.events.ring.after(0) or () if event.topic == "jobs"]


def test_another_api_servers_executions_are_left_alone_at_a_start() -> None:
    async def story() -> None:
        store = new_store()
        async with house(store, node(health=after(60)), server="one") as one:
            begun = await one.jobs.start(ALICE, "look", {})
            async with house(store, node(), server="two"):
                pass
            assert (await one.over(begun)).state is State.SUCCEEDED

    played(story())


def test_the_stream_of_an_execution_is_the_same_at_another_api_server_while_it_runs() -> None:
    async def story() -> None:
        store = new_store()
        async with house(store, node(health=after(60)), server="one") as one, house(store, node(), server="two") as two:
            begun = await one.jobs.start(ALICE, "look", {})
            here, there = [asyncio.ensure_future(events_of(jobs.follow(begun.id, None))) for jobs in (one.jobs, two.jobs)]
            await until(here.done)
            assert await there == here.result()
            assert here.result()[-1].text.count("succeeded")

    played(story())


def test_the_same_key_at_two_servers_at_once_is_one_execution() -> None:
    async def story() -> None:
        store = new_store()
        async with house(store, node(), server="one") as one, house(store, node(), server="two") as two:
            same = await asyncio.gather(*(jobs.start(ALICE, "look", {}, "key") for jobs in (one.jobs, two.jobs)))
            assert len({execution.id for execution in same}) == 1

    played(story())


class Away(MemoryStore):
    """A database that cannot be reached at times, and at times breaks off after it did what it was asked."""

    away = False
    breaks_off = False

    async def commit(self, *changes: Change, durable: bool = True) -> list[int]:
        if self.away:
            raise StoreAway("away")
        done = await super().commit(*changes, durable=durable)
        if self.breaks_off:
            self.breaks_off = False
            raise StoreAway("it happened, or not")
        return done


def test_what_was_begun_while_the_store_broke_off_runs_if_it_was_kept() -> None:
    async def story() -> None:
        store = Away(clock=virtual_wall)
        async with house(store, node()) as here:
            store.breaks_off = True
            with pytest.raises(StoreAway):
                await here.jobs.start(ALICE, "look", {}, "the key")
            kept = await here.jobs.start(ALICE, "look", {}, "the key")
            assert kept.state is State.QUEUED
            await here.jobs.heed()
            assert (await here.over(kept)).state is State.SUCCEEDED
            store.away = True
            with pytest.raises(StoreAway):
                await here.jobs.start(ALICE, "look", {}, "another key")
            store.away = False
            await here.jobs.heed()
            assert len((await here.jobs.page("", 10))[0]) == 1
            assert here.node.deeds == ["health"]

    played(story())


def test_what_runs_waits_for_a_store_that_is_away_and_keeps_nothing_twice() -> None:
    async def story() -> None:
        store = Away(clock=virtual_wall)
        async with house(store, node(reload=after(5, {"ok": True}))) as here:
            begun = await here.jobs.start(ALICE, "trial", {})
            await until(lambda: here.node.deeds == ["reload"])
            store.away = True
            await asyncio.sleep(60)
            assert here.node.deeds == ["reload"]
            store.away, store.breaks_off = False, True
            assert (await here.over(begun)).state is State.SUCCEEDED
            told = [event.kind for event in await events_of_log(here)]
            assert told == ["jobs.queued", "jobs.running", "jobs.succeeded"]
            numbers = [event.id for event in await events_of(here.jobs.follow(begun.id, None))]
            assert numbers == list(range(1, len(numbers) + 1))

    played(story())


def node(**answers: object) -> Node:
    found = Node(answers=dict(answers))  # type: ignore[arg-type]
    found.templates["look"] = LOOK
    return found


async def events_of(stream: AsyncGenerator[Event | Stale | Beat, None]) -> list[Event]:
    return [event async for event in stream if isinstance(event, Event)]
