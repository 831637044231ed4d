"""Who has too few peers of a topic says so in the hash table, and looks who else does; nobody else looks there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rigs.stage import MEMBERS, TOPIC, Stage

from appliance.knowledge.dht.jobs import Finished
from appliance.members.effects import Hold
from appliance.members.row import Digest
from appliance.runtime.knowledge.around import Shared
from appliance.runtime.knowledge.dht import TableBusy
from appliance.runtime.knowledge.topic_providers import LONGEST_PAUSE, PROVIDE_SECONDS, TopicProviders, key_of

FAR = MEMBERS[20]


class Table:
    """What others have put there, and what this node asked."""

    def __init__(self, *there: Digest) -> None:
        self.there = there
        self.provided: list[tuple[bytes, float]] = []
        self.sought: list[bytes] = []
        self.busy = False

    async def provide(self, key: bytes, seconds: float) -> Finished:
        if self.busy:
            raise TableBusy("look-ups are under way")
        self.provided.append((key, seconds))
        return Finished(1, ok=True)

    async def providers(self, key: bytes) -> Finished:
        self.sought.append(key)
        return Finished(2, ok=bool(self.there), providers=self.there)


class Story(Stage):
    """A node, its table, and time that passes when its part sleeps."""

    def __init__(self, peers: int, table: Table | None, *, subscribed: bool = True) -> None:
        super().__init__(peers, subscribed=subscribed)
        self.part = TopicProviders(Shared(table), self.node, self.do, lambda: self.now, self.sleep)

    def do(self, verb: Callable[[float, float], Any]) -> Any:
        done = verb(self.now, self.wall)
        self.act()
        return done

    async def sleep(self, seconds: float) -> None:
        if self.now >= self.until:
            raise asyncio.CancelledError
        self.wait(seconds)

    def last(self, seconds: float) -> None:
        """The part runs for so long."""
        self.until = self.now + seconds

        async def run() -> None:
            with suppress(asyncio.CancelledError):
                await self.part.run()

        asyncio.run(run())


def test_who_is_alone_says_that_it_subscribes_and_calls_who_else_does() -> None:
    table = Table(FAR)
    story = Story(0, table)
    story.last(60.0)
    assert table.provided == [(key_of(TOPIC), PROVIDE_SECONDS)]
    assert Hold(FAR) in story.node.wishes


def test_who_has_enough_peers_asks_nobody() -> None:
    table = Table(FAR)
    Story(12, table).last(600.0)
    assert not table.provided
    assert not table.sought


def test_who_only_publishes_looks_and_does_not_say_that_it_subscribes() -> None:
    table = Table(FAR)
    story = Story(0, table, subscribed=False)
    story.node.publish(TOPIC, b"hello", story.now, story.wall)
    story.last(60.0)
    assert table.sought == [key_of(TOPIC)]
    assert not table.provided


def test_who_stays_alone_looks_more_and_more_seldom_and_its_record_never_ends() -> None:
    table = Table()
    Story(0, table).last(6 * 3600.0)
    assert 12 < len(table.sought) < 20
    assert LONGEST_PAUSE < PROVIDE_SECONDS


def test_a_hundred_topics_are_looked_up_one_after_the_other() -> None:
    table = Table()
    story = Story(0, table)
    for number in range(100):
        story.node.subscribe(f"topic-{number}", story.now)
    story.last(600.0)
    assert 30 <= len(table.sought) <= 40


def test_a_table_that_is_busy_or_off_is_asked_later() -> None:
    table = Table(FAR)
    table.busy = True
    story = Story(0, table)
    story.last(60.0)
    assert not table.sought
    table.busy = False
    story.last(120.0)
    assert table.sought
    off = Story(0, None)
    off.last(600.0)
    assert not off.node.wishes
