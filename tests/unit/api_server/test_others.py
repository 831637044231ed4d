"""API servers that share a store see which of them is gone, whatever their clocks say."""

from __future__ import annotations

import asyncio

import pytest

from appliance.api.stores import StoreAway
from appliance.api_server.others import BEAT_EVERY, GONE_AFTER, SPACE, Others
from appliance.store.memory import MemoryStore
from tests.rigs.virtual_loop import played


class Shared(MemoryStore):
    """Away at times."""

    away = False

    async def commit(self, *changes: object, durable: bool = True) -> list[int]:
        if self.away:
            raise StoreAway("away")
        return await super().commit(*changes, durable=durable)  # type: ignore[arg-type]


class Server:
    def __init__(self, store: MemoryStore, name: str) -> None:
        self.settled: list[str] = []
        self.others = Others(store, name, self.settle, elapsed=asyncio.get_running_loop().time)
        self.start()

    def start(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self.others.run())

    async def settle(self, server: str) -> None:
        self.settled.append(server)

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


@pytest.fixture
def store() -> Shared:
    return Shared(clock=lambda: 0.0)


def test_one_that_is_gone_is_settled_once_and_one_that_is_there_never(store: Shared) -> None:
    async def story() -> None:
        one, two = Server(store, "one"), Server(store, "two")
        await asyncio.sleep(5 * GONE_AFTER)
        assert (one.settled, two.settled) == ([], [])
        await two.stop()
        await asyncio.sleep(5 * GONE_AFTER)
        assert one.settled == ["two"]
        two.start()
        await asyncio.sleep(5 * GONE_AFTER)
        assert (one.settled, two.settled) == (["two"], [])
        assert [each.key for each in await store.scan(SPACE)] == ["one", "two"]
        await one.stop()
        await two.stop()

    played(story())


def test_a_short_absence_is_none(store: Shared) -> None:
    async def story() -> None:
        one, two = Server(store, "one"), Server(store, "two")
        for _ in range(5):
            await two.stop()
            await asyncio.sleep(GONE_AFTER - 2 * BEAT_EVERY)
            two.start()
            await asyncio.sleep(2 * BEAT_EVERY)
        assert one.settled == []
        await one.stop()
        await two.stop()

    played(story())


def test_while_the_store_is_away_nobody_is_gone(store: Shared) -> None:
    async def story() -> None:
        one, two = Server(store, "one"), Server(store, "two")
        await asyncio.sleep(1)
        store.away = True
        await asyncio.sleep(5 * GONE_AFTER)
        store.away = False
        await asyncio.sleep(5 * GONE_AFTER)
        assert (one.settled, two.settled) == ([], [])
        await one.stop()
        await two.stop()

    played(story())


def test_what_could_not_be_settled_is_tried_again(store: Shared) -> None:
    async def story() -> None:
        one, two = Server(store, "one"), Server(store, "two")
        tries = 0

        async def settle(server: str) -> None:
            nonlocal tries
            tries += 1
            if tries < 3:
                raise StoreAway("away")
            one.settled.append(server)

        one.others._settle = settle
        await asyncio.sleep(1)
        await two.stop()
        await asyncio.sleep(10 * GONE_AFTER)
        assert one.settled == ["two"]
        await one.stop()

    played(story())
