"""Many streams: at once, one after the other, cancelled at random moments. The kernel's descriptors, the loop's tasks and the
node's questions are as before. `make soak` runs the long form."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import resource
from collections.abc import AsyncIterator, Iterator

import pytest
from rigs.village import Village, village

from appliance.foundation.clock import monotonic
from appliance.sdk import Client, Connection, SDKError
from tests.unit.sdk.test_client import asked, echoing

FORMS = [
    pytest.param(150, 600, 600, id="short"),
    pytest.param(1000, 10_000, 10_000, id="long", marks=[pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(900)]),
]


@pytest.fixture(autouse=True)
def room_for_descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(16384, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
async def two() -> AsyncIterator[Village]:
    async with village("left", "right") as made:
        yield made


def left_behind() -> tuple[int, int]:
    """Descriptors and tasks."""
    gc.collect()
    return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())  # noqa: PTH208


CONVERSATIONS = 6, 2
"""Descriptors and tasks of two more conversations with the node, both ends of which are in this process."""


async def as_before(before: tuple[int, int]) -> None:
    """Wait until no more is there than before, but for what a client keeps however many streams it opens."""
    most = [then + kept for then, kept in zip(before, CONVERSATIONS, strict=True)]
    async with asyncio.timeout(60):
        while any(now > then for now, then in zip(left_behind(), most, strict=True)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("at_once", "one_by_one", "cancelled"), FORMS)
async def test_nothing_is_left_of_many_streams(two: Village, at_once: int, one_by_one: int, cancelled: int) -> None:
    chance = random.Random(842)
    async with echoing(two["right"]) as given, two["left"].client(deadline_s=60.0, calls_per_s=0.0) as client:
        await (await client.connect("right", "echo")).close()
        await drained(given)
        before = left_behind()
        await many_at_once(client, at_once)
        await drained(given)
        await as_before(before)
        await one_after_the_other(client, one_by_one)
        await drained(given)
        await as_before(before)
        await cancelled_anywhere(client, cancelled, chance)
        await drained(given)
        await as_before(before)
        assert client.metrics().open == 0
        async with await client.connect("right", "echo") as connection:
            assert await asked(connection, b"as ever") == b"as ever"


async def drained(given: list[Connection]) -> None:
    """Wait until the other application has closed all that it was given."""
    async with asyncio.timeout(60):
        while not all(connection.closed for connection in given):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    given.clear()


async def many_at_once(client: Client, number: int) -> None:
    """All are open at the same time, and each carries its own bytes."""
    async with asyncio.TaskGroup() as tasks:
        opening = [tasks.create_task(client.connect("right", "echo")) for _ in range(number)]
    streams = [task.result() for task in opening]
    questions = [b"%08d" % which for which in range(number)]
    answers = await asyncio.gather(*(asked(stream, question) for stream, question in zip(streams, questions, strict=True)))
    assert answers == questions
    for stream in streams:
        await stream.close()


async def one_after_the_other(client: Client, number: int) -> None:
    took = []
    for _ in range(number):
        began = monotonic()
        async with await client.connect("right", "echo") as stream:
            await asked(stream, b"x")
        took.append(monotonic() - began)
    print(f"opening, a byte there and back, closing: p99 {sorted(took)[len(took) * 99 // 100] * 1000:.1f} ms")


async def cancelled_anywhere(client: Client, number: int, chance: random.Random) -> None:
    async def use() -> None:
        async with await client.connect("right", "echo") as stream:
            for _ in range(5):
                await asked(stream, b"y" * 100)

    for _ in range(number // 20):
        using = [asyncio.create_task(use()) for _ in range(20)]
        for task in using:
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
            task.cancel()
        for ended in await asyncio.gather(*using, return_exceptions=True):
            assert ended is None or isinstance(ended, asyncio.CancelledError | SDKError), ended
