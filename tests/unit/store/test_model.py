"""The store in a file does what the simple one in memory does, whatever is asked of them."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.api.stores import Append, Check, Delete, Drop, Put, Store
from appliance.errors import ApplianceError
from appliance.store.memory import MemoryStore
from appliance.store.sqlite import SqliteStore
from appliance.testing.conformance.store import NOW, Clock

NAMES = st.sampled_from(["a", "a/1", "a/é", "b", "\U0001f600", ""])
VALUES = st.binary(max_size=4)
EXPECT = st.none() | st.integers(0, 3)
CHANGES = st.one_of(
    st.builds(Put, NAMES, NAMES, VALUES, EXPECT, st.none() | st.integers(NOW, NOW + 9)),
    st.builds(Delete, NAMES, NAMES, EXPECT),
    st.builds(Check, NAMES, NAMES, st.integers(0, 3)),
    st.builds(Append, NAMES, VALUES, st.integers(1, 4)),
    st.builds(Drop, NAMES),
)
COMMITS = st.lists(st.tuples(st.lists(CHANGES, max_size=4), st.booleans(), st.integers(-3, 3)), max_size=8)
FOLDERS = itertools.count()


async def outcome(store: Store, changes: list[Any]) -> object:
    try:
        return await store.commit(*changes, durable=False)
    except ApplianceError as error:
        return error.code


async def seen(store: Store) -> list[object]:
    spaces = [await store.scan(space) for space in ("a", "b", "a/1", "\U0001f600")]
    pages = [await store.scan("a", prefix=prefix, after=after, limit=2) for prefix in ("", "a", "a/") for after in ("", "a/1")]
    return [spaces, pages, [await store.tail(log, after, 3) for log in ("a", "b", "a/é") for after in (0, 2)]]


async def compared(folder: Path, commits: list[tuple[list[Any], bool, int]]) -> None:
    clock = Clock()
    simple, real = MemoryStore(clock=clock), await SqliteStore.open(folder, clock=clock, copy_every=1e9)
    for changes, again, seconds in commits:
        assert await outcome(real, changes) == await outcome(simple, changes)
        clock.now += seconds
        if again:
            await real.close()
            real = await SqliteStore.open(folder, clock=clock, copy_every=1e9)
        assert await seen(real) == await seen(simple)
    await real.close()


@settings(max_examples=25, deadline=None)
@given(commits=COMMITS)
def test_both_do_the_same(commits: list[Any], tmp_path_factory: Any) -> None:
    asyncio.run(compared(tmp_path_factory.mktemp(f"model-{next(FOLDERS)}"), commits))
