from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.api.stores import Put, StoreFull
from appliance.api_server.analytics.keeping import LATE, SPACE, Keeping
from appliance.management.analytics.pages import key_of
from appliance.management.analytics.series import FINE, MINUTE, QUARTER, Book, Key, Kind, level
from appliance.store.memory import MemoryStore
from appliance.store.sqlite import SqliteStore

NOON = 1_764_072_000
KEY = Key("sessions")


class Story:
    """A store, and API servers that come and go; `at` is the time of day."""

    def __init__(self) -> None:
        self.at = NOON
        self.store: Any = MemoryStore(clock=lambda: self.at)

    def server(self) -> tuple[Keeping, Book]:
        return Keeping(self.store), Book()

    async def reads(self, keeping: Keeping, book: Book, seconds: int) -> None:
        """A reading each ten seconds: the time since noon."""
        for _ in range(seconds // 10):
            book.read(self.at, [(KEY, Kind.LEVEL, level(self.at - NOON))])
            await keeping.keep(book, self.at)
            self.at += 10

    async def again(self) -> tuple[Keeping, Book]:
        """Another API server, after the last one was killed."""
        keeping, book = self.server()
        await keeping.load(book, self.at)
        return keeping, book


def weights(book: Book, resolution: Any) -> list[int]:
    return [] if KEY not in book.series else [cell.weight for _, cell in book.series[KEY].rings[resolution].cells(0, NOON * 2)]


async def test_a_kill_costs_the_minute_that_is_not_over() -> None:
    story = Story()
    await story.reads(*story.server(), seconds=20 * 60 + 50)
    _, book = await story.again()
    assert weights(book, MINUTE) == [6] * 20
    assert weights(book, QUARTER) == [90, 30], "the quarter that is not over is made of its minutes"
    assert not weights(book, FINE)


async def test_an_end_in_order_costs_nothing_and_the_minute_goes_on() -> None:
    story = Story()
    keeping, book = story.server()
    await story.reads(keeping, book, seconds=90)
    await keeping.keep(book, story.at, all_of_it=True)
    keeping, book = await story.again()
    assert weights(book, MINUTE) == [6, 3]
    await story.reads(keeping, book, seconds=60)
    _, book = await story.again()
    assert weights(book, MINUTE) == [6, 6]


async def test_months_later_the_store_has_a_month() -> None:
    story = Story()
    keeping, book = story.server()
    for _ in range(70 * 96):
        book.read(story.at, [(KEY, Kind.LEVEL, level(1))])
        await keeping.keep(book, story.at)
        story.at += 900
    await keeping.keep(book, story.at)
    for resolution in (MINUTE, QUARTER):
        kept, after = 0, ""
        while records := await story.store.scan(SPACE, prefix=f"{resolution.name}/", after=after, limit=1000):
            kept, after = kept + len(records), records[-1].key
        assert kept <= resolution.slots
    _, book = await story.again()
    assert len(weights(book, QUARTER)) >= QUARTER.slots - 1


class Full:
    """A store without room, while `full`."""

    def __init__(self, store: Any) -> None:
        self.full = True
        self._store = store
        self.scan = store.scan

    async def commit(self, *changes: Any, durable: bool = True) -> list[int]:
        if self.full:
            raise StoreFull("the disk is full")
        found: list[int] = await self._store.commit(*changes, durable=durable)
        return found


async def test_what_a_full_store_did_not_take_is_written_when_there_is_room() -> None:
    story = Story()
    story.store = full = Full(story.store)
    keeping, book = story.server()
    await story.reads(keeping, book, seconds=180)
    assert keeping.unkept
    full.full = False
    await story.reads(keeping, book, seconds=60)
    _, again = await story.again()
    assert weights(again, MINUTE) == [6] * 3
    full.full = True
    await story.reads(keeping, book, seconds=2 * LATE * 60)
    full.full = False
    await keeping.keep(book, story.at)
    _, again = await story.again()
    assert len(weights(again, MINUTE)) == 3 + LATE, "of more the oldest are lost"


async def test_pages_that_are_none_and_those_to_come_are_left_out() -> None:
    story = Story()
    await story.reads(*story.server(), seconds=120)
    slot = NOON // 60
    await story.store.commit(
        Put(SPACE, key_of(MINUTE, slot), b"nonsense"),
        Put(SPACE, "minute/odd", b""),
        Put(SPACE, key_of(MINUTE, slot + 99), b"\x01not to be read"),
    )
    keeping, book = await story.again()
    assert weights(book, MINUTE) == [], "the second minute was not over"
    assert keeping.broken == 2


async def test_two_api_servers_of_one_store_keep_their_figures_apart() -> None:
    story = Story()
    one, other = Keeping(story.store), Keeping(story.store, ".llp1:other")
    await story.reads(one, Book(), seconds=180)
    story.at = NOON
    await story.reads(other, Book(), seconds=120)
    books = []
    for suffix in ("", ".llp1:other"):
        books.append(Book())
        await Keeping(story.store, suffix).load(books[-1], NOON + 180)
    assert [weights(book, MINUTE) for book in books] == [[6, 6], [6]]


async def test_after_the_clock_was_set_back_the_time_is_written_again() -> None:
    story = Story()
    keeping, book = story.server()
    await story.reads(keeping, book, seconds=600)
    story.at -= 300
    book.forget_after(story.at)
    keeping.set_back(story.at)
    await story.reads(keeping, book, seconds=120)
    _, again = await story.again()
    assert weights(book, MINUTE) == [6] * 5 + [12, 6]
    assert weights(again, MINUTE)[:7] == weights(book, MINUTE)


async def test_on_a_disk_it_is_the_same(tmp_path: Path) -> None:
    story = Story()
    story.store = await SqliteStore.open(tmp_path, clock=lambda: story.at)
    keeping, book = story.server()
    await story.reads(keeping, book, seconds=1000)
    await keeping.keep(book, story.at, all_of_it=True)
    await story.store.close()
    story.store = await SqliteStore.open(tmp_path, clock=lambda: story.at)
    _, again = await story.again()
    await story.store.close()
    for resolution in (MINUTE, QUARTER):
        assert weights(again, resolution) == weights(book, resolution)


@pytest.mark.parametrize("series", [1, 200])
async def test_a_day_of_many_series_stays_small(series: int) -> None:
    story = Story()
    keeping, book = story.server()
    for _ in range(60):
        book.read(story.at, [(Key("round-trip", f"peer-{each}"), Kind.LEVEL, level(each / 7)) for each in range(series)])
        await keeping.keep(book, story.at)
        story.at += 60
    assert story.store.stats()["bytes"] / 60 < 300 + 30 * series
