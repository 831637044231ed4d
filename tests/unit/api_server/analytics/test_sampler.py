from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from appliance.api_server.analytics.sampler import Sampler
from appliance.api_server.jobs.event_log import EventLog
from appliance.management.analytics.anomalies import CALM, CONFIRM
from appliance.management.analytics.series import MINUTE, Key
from appliance.management.analytics.usual import WARM_UP
from appliance.sdk.errors import NodeGone
from appliance.store.memory import MemoryStore

NOON = 1_764_072_000
DROPS = Key("drops", "no_session")


class Node:
    """Drops `rate` packets a second; the clocks go on by ten seconds with each look."""

    def __init__(self) -> None:
        self.wall, self.monotonic = float(NOON), 0.0
        self.drops = 0.0
        self.rate = 0.2
        self.gone = False
        self.sessions: list[dict[str, Any]] = []
        self.asked = asyncio.Event()
        self.store = MemoryStore(clock=lambda: self.wall)

    def sampler(self, own: Any = dict) -> Sampler:
        events = EventLog(self.store, wall=lambda: self.wall)
        return Sampler(self.metrics, self.store, own, events, wall=lambda: self.wall, monotonic=lambda: self.monotonic)

    async def told(self) -> list[tuple[str, str]]:
        said = [json.loads(entry.value) for entry in (await self.store.tail("events")).entries]
        return [(kind, json.loads(text)["rule"]) for kind, text in said]

    async def metrics(self) -> Mapping[str, Any]:
        self.asked.set()
        self.wall += 10
        self.monotonic += 10
        self.drops += self.rate * 10
        if self.gone:
            raise NodeGone("it does not answer")
        return {"uptime": self.monotonic, "sessions": self.sessions, "drops": {"no_session": self.drops}}


async def looks(sampler: Sampler, number: int) -> None:
    for _ in range(number):
        await sampler.look()


async def test_what_rises_is_told_with_the_reason() -> None:
    node = Node()
    sampler = node.sampler()
    await looks(sampler, WARM_UP + 1)
    node.rate = 40
    await looks(sampler, CONFIRM)
    (found,) = sampler.watch.now()
    assert found.reason.startswith("drops no_session: 40/s, usual 0.2/s")
    assert sampler.advice() == [found.reason]
    assert sampler.now == int(node.wall)


async def test_a_node_that_does_not_answer_is_counted_and_leaves_a_gap() -> None:
    node = Node()
    sampler = node.sampler()
    await looks(sampler, 2)
    node.gone = True
    await looks(sampler, 6)
    node.gone = False
    await looks(sampler, 1)
    assert sampler.stats()["missed"] == 6
    series = sampler.book.series[DROPS]
    assert series.rings[MINUTE].together(0, NOON).weight == 80_000, "nothing is counted twice, and nothing is lost"


async def test_what_this_process_counts_is_read_too() -> None:
    node, answered = Node(), {"2xx": 0}
    sampler = node.sampler(lambda: {"api.requests": answered})
    await looks(sampler, 1)
    answered["2xx"] = 30
    await looks(sampler, 1)
    assert sampler.book.series[Key("api.requests", "2xx")].rings[MINUTE].together(0, NOON).total == 30


async def test_another_process_goes_on_where_the_last_one_was() -> None:
    node = Node()
    first = node.sampler()
    first.start()
    async with asyncio.timeout(60):
        await node.asked.wait()
    await looks(first, 30)
    await first.close()
    before = first.book.series[DROPS].rings[MINUTE]
    again = node.sampler()
    await again.load()
    after = again.book.series[DROPS].rings[MINUTE]
    assert list(after.cells(0, NOON)) == list(before.cells(0, NOON))


async def test_followers_hear_once_of_what_begins_and_ends_over_restarts() -> None:
    node = Node()
    first = node.sampler()
    await looks(first, WARM_UP + 1)
    node.rate = 40
    await looks(first, CONFIRM + 2)
    assert await node.told() == [("anomalies.began", "drops-rising")]
    second = node.sampler()  # the first one was killed
    await second.load()
    await looks(second, CONFIRM + 20)
    assert second.advice() == first.advice()
    third = node.sampler()
    await third.load()
    node.rate = 0.2
    await looks(third, 1 + CALM)
    assert await node.told() == [("anomalies.began", "drops-rising"), ("anomalies.ended", "drops-rising")]


YEARS = 50 * 365 * 86400


async def test_a_clock_that_is_far_ahead_for_a_moment_costs_nothing() -> None:
    node = Node()
    sampler = node.sampler()
    await looks(sampler, 60)
    before = slots_of(sampler)
    node.wall += YEARS
    await looks(sampler, 5)
    node.wall -= YEARS
    await looks(sampler, 1)
    assert slots_of(sampler)[: len(before)] == before
    assert [one.rule for one in sampler.watch.over()] == ["clock-jump"]


async def test_one_that_is_so_for_long_leaves_nothing_of_times_to_come() -> None:
    node = Node()
    sampler = node.sampler()
    await looks(sampler, 60)
    node.wall += YEARS
    await looks(sampler, 30)
    node.wall -= YEARS
    await looks(sampler, 12)
    assert slots_of(sampler) == [NOON // 60 + minute for minute in (15, 16, 17)], "there was no room for fifty years"
    assert sampler.now == int(node.wall)


def slots_of(sampler: Sampler) -> list[int]:
    """The minutes of which something is known."""
    return [slot for slot, _ in sampler.book.series[DROPS].rings[MINUTE].cells(0, 1 << 40)]


async def test_a_node_with_thousands_of_sessions_is_asked_less_often() -> None:
    node = Node()
    sampler = node.sampler()
    await looks(sampler, 1)
    assert sampler.pause == 10
    node.sessions = [{"peer": "one", "session_id": str(each)} for each in range(6000)]
    await looks(sampler, 1)
    assert sampler.pause == 40


async def test_closing_one_that_never_began() -> None:
    await Node().sampler().close()
