"""The log of a running node: what is on the disk when, and what happens while the disk takes nothing."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from appliance.management.audit.entry import Entry, Outcome
from appliance.management.audit.verifying import verify
from appliance.runtime.audit import log as log_module
from appliance.runtime.audit.folder import with_texts
from appliance.runtime.audit.log import AuditLog, NotRecorded
from appliance.runtime.audit.reading import entries_in
from appliance.runtime.audit.segment_writer import Keep, SegmentWriter, Stamped


class Disk(SegmentWriter):
    """A real one that can be full."""

    full = False

    def append(self, entries: Sequence[Stamped], wall: float) -> bool:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().append(entries, wall)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[AuditLog, Disk]]:
    disk = Disk(folder, "llp1:node", Keep(1 << 30, 1e9), lambda count: b"\x0b" * count)
    log = AuditLog(disk)
    await log.open()
    try:
        yield log, disk
    finally:
        await log.close()


def entries(folder: Path) -> list[tuple[str, int]]:
    assert verify(with_texts(folder)).good
    return [(entry["what"], entry.get("times", 1)) for _, data in with_texts(folder) for entry in entries_in(data)]


def done(what: str) -> Entry:
    return Entry(what, Outcome.DONE)


async def test_what_is_recorded_is_on_the_disk_and_what_is_noted_with_it(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as (log, _):
        log.note(done("first"))
        await log.record(done("second"))
        assert entries(tmp_path / "a") == [("first", 1), ("second", 1)]
        assert (log.problem, log.counted["written"]) == ("", 2)


async def test_many_at_a_time_are_all_there_in_order(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as (log, _):
        await asyncio.gather(*(log.record(done(f"e{number}")) for number in range(200)))
        assert entries(tmp_path / "a") == [(f"e{number}", 1) for number in range(200)]


async def test_what_was_noted_is_there_when_it_ends(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as (log, _):
        log.note(done("last"))
        for _ in range(3):
            log.note_repeating(done("again"))
    assert entries(tmp_path / "a") == [("last", 1), ("again", 1), ("again", 2)]


async def test_a_full_disk_is_said_and_what_waited_is_written_later(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as (log, disk):
        disk.full = True
        with pytest.raises(NotRecorded) as refused:
            await log.record(done("one"))
        assert refused.value.retryable
        with pytest.raises(NotRecorded):
            await log.record(done("two"))
        assert "No space left on device" in log.problem
        disk.full = False
        await log.flush()
        assert log.problem == ""
        assert entries(tmp_path / "a") == [("one", 1), ("two", 1)]


async def test_what_does_not_fit_into_memory_is_lost_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MOST_WAITING", 10)
    async with opened(tmp_path / "a") as (log, disk):
        disk.full = True
        for number in range(15):
            log.note(done(f"e{number}"))
        await log.flush()
        assert "that wait: 10, that are lost: 5" in log.problem
        disk.full = False
        await log.flush()
        assert entries(tmp_path / "a") == [("log.lost", 5), *((f"e{number}", 1) for number in range(10))]


async def test_after_its_end_nothing_is_promised(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as (log, _):
        pass
    with pytest.raises(NotRecorded):
        await log.record(done("late"))


async def test_its_head_knows_what_was_noted(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as (log, _):
        assert await log.head() is None
        log.note(done("one"))
        head = await log.head()
        assert head is not None
        assert (head.number, verify(with_texts(tmp_path / "a"), [head]).good) == (1, True)
