"""What every store does."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from appliance.api.kinds import settings_of
from appliance.api.stores import (
    MOST_AT_A_TIME,
    MOST_KEY,
    MOST_VALUE,
    Append,
    ChangeInvalid,
    Check,
    Conflict,
    Delete,
    Drop,
    Entry,
    Kept,
    Put,
    Record,
    RewritableStore,
    Store,
    StoreKind,
    Tail,
)
from appliance.testing.conformance.limits import Limited, missing
from appliance.testing.services import FakeApiServices

NOW = 1_700_000_000
Story = Callable[[Store], Awaitable[None]]


class Clock:
    """Unix seconds that a test sets."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


class StoreConformance(Limited):
    """Subclass it, name the subclass Test…, and say how a store is opened."""

    outlives = True
    """Is what was written there when the same place is opened again?"""
    rewrites = True
    """Has it the member `rewrite` of RewritableStore?"""

    own = ""
    """Of a kind: the key of its settings that tells one store from another, such as that of a folder or a schema. Each test
    names a new one."""

    def kind(self) -> StoreKind | None:
        """The kind to try, where `opened` is not written anew."""
        return None

    def settings(self) -> Mapping[str, Any]:
        """What the profile would say of that kind. Here: the JSON in the environment variable APPLIANCE_CHECK_NAME."""
        kind = self.kind()
        return {} if kind is None else json.loads(os.environ.get(_variable(kind), "{}"))

    @pytest.fixture(autouse=True)
    def has_a_place(self) -> None:
        """A check of a kind needs a place that it may fill."""
        kind = self.kind()
        if kind is not None and type(self).settings is StoreConformance.settings and _variable(kind) not in os.environ:
            pytest.skip(f'{_variable(kind)} is not set: it says in JSON which settings to try, such as {{"host": "/run/…"}}')

    def place(self) -> Any:
        """Where a new store is, for `opened`: a folder, the name of a database. Asked for once in a test."""
        return f"check_{os.urandom(8).hex()}"

    async def opened(self, place: Any, clock: Callable[[], float]) -> Store:
        """The store of that place, where there is no kind."""
        raise NotImplementedError

    @asynccontextmanager
    async def store(self, place: Any = None, clock: Callable[[], float] | None = None) -> AsyncIterator[Store]:
        """A store, empty if no place is named, and closed afterwards."""
        place, clock = self.place() if place is None else place, clock or Clock()
        if (kind := self.kind()) is not None:
            settings = settings_of(kind, {**self.settings(), **({self.own: place} if self.own else {})})
            async with kind.open(settings, FakeApiServices(wall=clock)) as brought:
                yield brought
            return
        found = await self.opened(place, clock)
        try:
            yield found
        finally:
            await found.close()

    def told(self, story: Story) -> None:
        """Let something happen to an empty store."""

        async def tell() -> None:
            async with self.store() as store:
                await story(store)

        asyncio.run(tell())

    def test_it_has_every_member(self) -> None:
        async def story(store: Store) -> None:
            assert not missing(store, Store)

        self.told(story)

    def test_a_record_is_there_with_its_version(self) -> None:
        async def story(store: Store) -> None:
            assert await store.get("users", "alice") is None
            assert await store.commit(Put("users", "alice", b"one")) == [1]
            assert await store.commit(Put("users", "alice", b"two")) == [2]
            assert await store.get("users", "alice") == Record("alice", b"two", 2)
            assert await store.get("tokens", "alice") is None

        self.told(story)

    def test_any_bytes_come_back(self) -> None:
        async def story(store: Store) -> None:
            for number, value in enumerate((b"", bytes(range(256)), b"\0" * 5_000, bytes(MOST_VALUE))):
                await store.commit(Put("bytes", str(number), value), Append("bytes", value))
                assert (await store.get("bytes", str(number))) == Record(str(number), value, 1)
                assert (await store.tail("bytes", number)).entries == [Entry(number + 1, value)]

        self.told(story)

    def test_what_was_deleted_is_not_there(self) -> None:
        async def story(store: Store) -> None:
            await store.commit(Put("users", "alice", b"one"))
            assert await store.commit(Delete("users", "alice"), Delete("users", "nobody")) == [0, 0]
            assert await store.get("users", "alice") is None
            assert await store.commit(Put("users", "alice", b"new", expect=0)) == [1]

        self.told(story)

    def test_who_expects_another_version_changes_nothing(self) -> None:
        async def story(store: Store) -> None:
            await store.commit(Put("users", "alice", b"one"), Put("users", "alice", b"two"))
            for change in (
                Put("users", "alice", b"x", expect=0),
                Put("users", "alice", b"x", expect=1),
                Put("users", "alice", b"x", expect=3),
                Put("users", "bob", b"x", expect=1),
                Delete("users", "alice", expect=1),
                Delete("users", "bob", expect=1),
                Check("users", "alice", 1),
                Check("users", "bob", 1),
            ):
                with pytest.raises(Conflict):
                    await store.commit(change)
            assert await store.scan("users") == [Record("alice", b"two", 2)]
            assert await store.commit(Check("users", "alice", 2), Check("users", "bob", 0)) == [2, 0]
            assert await store.commit(Put("users", "alice", b"three", expect=2), Delete("users", "alice", expect=3)) == [3, 0]

        self.told(story)

    def test_all_changes_happen_or_none(self) -> None:
        async def story(store: Store) -> None:
            await store.commit(Put("users", "alice", b"one"), Append("events", b"first"), Append("old", b"entry"))
            with pytest.raises(Conflict):
                await store.commit(
                    Put("users", "bob", b"x"),
                    Put("users", "alice", b"x"),
                    Delete("users", "alice"),
                    Append("events", b"x", keep=1),
                    Append("others", b"x"),
                    Drop("old"),
                    Append("old", b"x"),
                    Check("users", "nobody", 7),
                )
            assert await store.scan("users") == [Record("alice", b"one", 1)]
            assert await store.tail("events") == Tail([Entry(1, b"first")], 1, 1)
            assert await store.tail("others") == Tail([], 1, 0)
            assert await store.tail("old") == Tail([Entry(1, b"entry")], 1, 1)

        self.told(story)

    def test_of_many_who_expect_the_same_one_wins(self) -> None:
        async def story(store: Store) -> None:
            async def add(number: int) -> None:
                while True:
                    record = await store.get("counters", "one")
                    before = int(record.value) if record else 0
                    put = Put("counters", "one", b"%d" % (before + 1), expect=record.version if record else 0)
                    try:
                        await store.commit(put, Append("added", b"%d" % number), durable=number % 2 == 0)
                    except Conflict:
                        continue
                    return

            await asyncio.gather(*map(add, range(20)))
            assert await store.get("counters", "one") == Record("one", b"20", 20)
            entries = (await store.tail("added")).entries
            assert [entry.id for entry in entries] == list(range(1, 21))
            assert {int(entry.value) for entry in entries} == set(range(20))

        self.told(story)

    def test_records_are_ordered_by_the_bytes_of_their_keys(self) -> None:
        async def story(store: Store) -> None:
            keys = ["a", "a/1", "a/10", "a/2", "a/é", "a/\uffff", "a/\U0001f600", "b", "\0"]
            await store.commit(*(Put("things", key, key.encode()) for key in keys), Put("others", "a/3", b""))
            ordered = sorted(keys, key=str.encode)
            assert [record.key for record in await store.scan("things")] == ordered
            assert [record.key for record in await store.scan("things", prefix="a/")] == [k for k in ordered if k[:2] == "a/"]
            assert [record.key for record in await store.scan("things", prefix="a", after="a/10", limit=2)] == ["a/2", "a/é"]
            assert [record.key for record in await store.scan("things", after="a/\U0001f600")] == ["b"]
            assert await store.scan("things", prefix="c") == []
            assert await store.scan("nothing") == []

        self.told(story)

    def test_a_space_is_read_page_by_page(self) -> None:
        async def story(store: Store) -> None:
            keys = [f"{number:04}" for number in range(250)]
            await store.commit(*(Put("things", key, b"") for key in keys))
            found: list[str] = []
            while page := await store.scan("things", after=found[-1] if found else "", limit=40):
                found += [record.key for record in page]
            assert found == keys

        self.told(story)

    def test_too_large_a_page_is_cut(self) -> None:
        async def story(store: Store) -> None:
            await store.commit(*(Put("things", str(number), b"") for number in range(MOST_AT_A_TIME + 1)))
            await store.commit(*(Append("things", b"") for _ in range(MOST_AT_A_TIME + 1)))
            assert len(await store.scan("things", limit=1 << 70)) == MOST_AT_A_TIME
            assert len((await store.tail("things", limit=1 << 70)).entries) == MOST_AT_A_TIME
            assert len(await store.scan("things", limit=-1)) == 1

        self.told(story)

    def test_what_expired_is_gone_for_readers_and_writers(self) -> None:
        async def tell() -> None:
            clock = Clock()
            async with self.store(clock=clock) as store:
                await store.commit(Put("tokens", "a", b"", expires=NOW + 10), Put("tokens", "b", b"", expires=NOW + 20))
                clock.now = NOW + 9.5
                assert [record.key for record in await store.scan("tokens")] == ["a", "b"]
                clock.now = NOW + 10
                assert await store.get("tokens", "a") is None
                assert [record.key for record in await store.scan("tokens")] == ["b"]
                with pytest.raises(Conflict):
                    await store.commit(Put("tokens", "a", b"", expect=1))
                assert await store.commit(Put("tokens", "a", b"again", expect=0), Put("tokens", "b", b"for ever")) == [1, 2]
                clock.now = NOW + 1e9
                assert [record.value for record in await store.scan("tokens")] == [b"again", b"for ever"]

        asyncio.run(tell())

    def test_a_clock_that_was_wrong_for_a_while_takes_nothing_away(self) -> None:
        async def tell() -> None:
            place, clock = self.place(), Clock()
            async with self.store(place, clock) as store:
                await store.commit(Put("tokens", "a", b"", expires=NOW + 10), Put("tokens", "b", b"", expires=NOW + 20))
                clock.now = NOW + 86_400
                for _ in range(3):
                    assert await store.scan("tokens") == []
                    await store.commit(Put("status", "node", b"", expires=NOW + 90_000))
                if not self.outlives:
                    clock.now = NOW
                    assert len(await store.scan("tokens")) == 2
                    return
            async with self.store(place, clock) as store:
                await store.commit(Append("log", b""))
                clock.now = NOW
                assert [record.key for record in await store.scan("tokens")] == ["a", "b"]
                assert await store.commit(Check("tokens", "a", 1)) == [1]

        asyncio.run(tell())

    def test_a_log_keeps_its_newest_entries(self) -> None:
        async def story(store: Store) -> None:
            assert await store.tail("events") == Tail([], 1, 0)
            assert await store.commit(*(Append("events", b"%d" % n, keep=3) for n in range(1, 6))) == [1, 2, 3, 4, 5]
            assert await store.tail("events") == Tail([Entry(3, b"3"), Entry(4, b"4"), Entry(5, b"5")], 3, 5)
            assert await store.tail("events", after=3, limit=1) == Tail([Entry(4, b"4")], 3, 5)
            assert await store.tail("events", after=5) == Tail([], 3, 5)
            assert await store.tail("events", after=1 << 70) == Tail([], 3, 5)
            assert (await store.tail("events", after=-1)).entries[0].id == 3
            assert await store.commit(Append("events", b"6", keep=1)) == [6]
            assert await store.tail("events") == Tail([Entry(6, b"6")], 6, 6)

        self.told(story)

    def test_a_log_that_was_dropped_begins_anew(self) -> None:
        async def story(store: Store) -> None:
            await store.commit(Append("events", b"one"), Append("others", b"one"))
            assert await store.commit(Drop("events"), Drop("nothing")) == [0, 0]
            assert await store.tail("events") == Tail([], 1, 0)
            assert await store.commit(Append("events", b"new")) == [1]
            assert await store.tail("others") == Tail([Entry(1, b"one")], 1, 1)

        self.told(story)

    def test_what_no_store_takes_is_refused(self) -> None:
        async def story(store: Store) -> None:
            long, longer = "é" * (MOST_KEY // 2), "é" * (MOST_KEY // 2) + "x"
            for change in (
                Put("", "key", b""),
                Put("space", "", b""),
                Put("space", longer, b""),
                Put("space", "\ud800", b""),
                Put("space", "key", bytes(2 * MOST_VALUE)),
                Put("space", "key", b"", expires=-1),
                Put("space", "key", b"", expires=1 << 70),
                Delete("space", longer),
                Check("\ud800", "key", 0),
                Append("", b""),
                Append("log", bytes(2 * MOST_VALUE)),
                Append("log", b"", keep=0),
                Drop(longer),
            ):
                with pytest.raises(ChangeInvalid):
                    await store.commit(Put("space", "other", b""), change)
            assert await store.scan("space") == []
            for impossible in ("", longer, "\ud800"):
                assert await store.get("space", impossible) is None
                assert await store.get(impossible, "key") is None
                assert await store.tail(impossible) == Tail([], 1, 0)
                assert await store.scan(impossible) == []
            assert await store.scan("space", prefix="\ud800", after="\ud800") == []
            await store.commit(Put(long, long, b"fits"), Append(long, b"fits"))
            assert await store.get(long, long) == Record(long, b"fits", 1)
            assert await store.commit() == []

        self.told(story)

    def test_what_was_written_outlives_the_store(self) -> None:
        async def tell() -> None:
            place = self.place()
            async with self.store(place) as store:
                await store.commit(Put("users", "alice", b"one"), Append("events", b"one", keep=5), durable=False)
                await store.commit(*(Append("events", b"", keep=1) for _ in range(3)))
            async with self.store(place) as store:
                assert await store.get("users", "alice") == Record("alice", b"one", 1)
                assert await store.commit(Append("events", b"five", keep=1)) == [5]
                assert await store.tail("events") == Tail([Entry(5, b"five")], 5, 5)

        if self.outlives:
            asyncio.run(tell())

    def test_all_values_can_be_rewritten_without_being_changed(self) -> None:
        async def tell() -> None:
            clock = Clock()
            async with self.store(clock=clock) as store:
                assert isinstance(store, RewritableStore)
                await store.commit(
                    *(Put("a", f"{n}", b"old %d" % n, expires=NOW + n) for n in range(30)), Put("b", "x", b"leave")
                )
                await store.commit(*(Append(name, b"old %s" % name.encode(), keep=5) for name in ("l1", "l2") * 7))
                seen: list[Kept] = []

                def rewrite(kept: Kept) -> bytes | None:
                    seen.append(kept)
                    return None if kept.value == b"leave" else kept.value.replace(b"old", b"new")

                clock.now = NOW + 10
                before, cursor = await store.scan("a"), ""
                while (following := await store.rewrite(rewrite, cursor, 7)) is not None:
                    cursor = following
                assert await store.scan("a") == [each._replace(value=each.value.replace(b"old", b"new")) for each in before]
                assert await store.get("b", "x") == Record("x", b"leave", 1)
                assert (await store.tail("l1")).entries == [Entry(n, b"new l1") for n in range(3, 8)]
                assert len({kept[:3] for kept in seen if kept.kind == "record"}) >= 20, (
                    "what expired and is not swept yet may be seen too"
                )
                assert sorted(kept.name for kept in seen if kept.kind == "entry") == ["l1"] * 5 + ["l2"] * 5
                clock.now = NOW + 20
                assert len(await store.scan("a")) == 9, "when it expires is not changed"

        if self.rewrites:
            asyncio.run(tell())

    def test_a_rewriting_that_fails_changes_nothing(self) -> None:
        async def story(store: Store) -> None:
            assert isinstance(store, RewritableStore)
            await store.commit(Put("a", "1", b"old"), Put("a", "2", b"old"), Append("log", b"old"))

            def rewrite(kept: Kept) -> bytes | None:
                if kept.kind == "entry" or kept.key == "2":
                    raise ZeroDivisionError
                return b"new"

            with pytest.raises(ZeroDivisionError):
                await store.rewrite(rewrite, "", 10)
            assert [record.value for record in await store.scan("a")] == [b"old", b"old"]

        if self.rewrites:
            self.told(story)

    def test_figures_are_numbers_by_name(self) -> None:
        async def story(store: Store) -> None:
            await store.commit(Put("users", "alice", b"one"))
            await store.get("users", "alice")
            with pytest.raises(Conflict):
                await store.commit(Check("users", "alice", 7))
            figures = store.stats()
            assert {"commits", "conflicts", "reads", "bytes", "expired", "full"} <= figures.keys()
            assert figures["commits"] >= 1
            assert figures["reads"] >= 1
            assert figures["conflicts"] >= 1
            assert all(isinstance(value, int) for value in figures.values())

        self.told(story)

    def test_it_can_be_closed_twice(self) -> None:
        async def story(store: Store) -> None:
            await store.close()
            await store.close()

        self.told(story)


def _variable(kind: StoreKind) -> str:
    return f"APPLIANCE_CHECK_{kind.name.upper().replace('-', '_')}"
