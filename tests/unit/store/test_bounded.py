"""Many updates of the same few things leave the file as large as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.api.stores import Append, Change, Put
from appliance.store.opening import open_store
from appliance.testing.conformance.store import NOW, Clock

TOGETHER = 50
MOST_LOG = 16 << 20
"""Bytes of what was written since the last time that nobody read."""
KINDS = 4


async def updated(folder: Path, updates: int) -> list[int]:
    """Bytes of the folder, each time a tenth of the updates is done. A day passes in the end."""
    clock = Clock()
    store = await open_store(folder, clock=clock, elapsed=clock)
    sizes: list[int] = []
    for number in range(0, updates, TOGETHER):
        clock.now = NOW + 86_400 * number / updates
        await store.commit(*(change for n in range(number, number + TOGETHER) for change in update(n, clock.now)), durable=False)
        if (number + TOGETHER) % (updates // 10) == 0:
            sizes.append((folder / "store.sqlite").stat().st_size)
            assert (folder / "store.sqlite-wal").stat().st_size < MOST_LOG, "it is cut when no copy is being made"
    assert store.stats()["full"] == 0
    await store.close()
    return sizes


def update(number: int, now: float) -> list[Change]:
    """One of each kind in turn: a status, an event, a token that expires, an answer that is kept for a minute."""
    text = f"{number}: {'x' * (number * 7 % 400)}".encode()
    match number % KINDS:
        case 0:
            return [Put("status", f"peer {number % 100}", text)]
        case 1:
            return [Append("events", text, keep=500)]
        case 2:
            return [Put("tokens", f"{number}", text, expires=int(now) + 60)]
        case _:
            return [Put("answers", f"{number}", text, expires=int(now) + 30)]


async def test_many_updates_leave_the_file_as_large_as_it_was(tmp_path: Path) -> None:
    sizes = await updated(tmp_path, 10_000)
    assert max(sizes[5:]) <= 1.3 * max(sizes[:5])
    assert max(sizes) < 8 << 20


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_a_million_updates_leave_the_file_as_large_as_it_was(tmp_path: Path) -> None:
    sizes = await updated(tmp_path, 1_000_000)
    assert max(sizes[5:]) <= 1.3 * max(sizes[:5])
    assert max(sizes) < 64 << 20
