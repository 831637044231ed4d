"""Signed heads of the own log, and what the next start sees by them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from appliance.management.audit.entry import Entry, Outcome
from appliance.management.audit.verifying import verify
from appliance.protocol.identity import Identity
from appliance.runtime.audit.folder import HEAD, segments, with_texts
from appliance.runtime.audit.heads import Heads
from appliance.runtime.audit.log import AuditLog
from appliance.runtime.audit.reading import entries_in
from appliance.runtime.audit.segment_writer import Keep, SegmentWriter

NODE = Identity.from_seeds(b"\x01" * 32, b"\x02" * 32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "node.audit"


@asynccontextmanager
async def node(folder: Path, *whats: str) -> AsyncIterator[tuple[AuditLog, Heads]]:
    """It runs, and records these."""
    log = AuditLog(SegmentWriter(folder, NODE.fingerprint, Keep(1 << 30, 1e9), os.urandom))
    await log.open()
    heads = Heads(log, folder, NODE)
    await heads.open()
    for what in whats:
        log.note(Entry(what, Outcome.DONE))
    try:
        yield log, heads
    finally:
        await heads.close()
        await log.close()


def whats(folder: Path) -> list[str]:
    return [entry["what"] for _, data in with_texts(folder) for entry in entries_in(data)]


async def test_a_head_is_signed_when_there_is_something_new(folder: Path) -> None:
    async with node(folder) as (log, heads):
        assert await heads.newest() is None
        log.note(Entry("a", Outcome.DONE))
        first = await heads.newest()
        assert first is not None
        assert await heads.newest() is first
        log.note(Entry("b", Outcome.DONE))
        second = await heads.newest()
        assert second is not None
        assert (first.head.number, second.head.number, second.node) == (1, 2, NODE.fingerprint)
        assert verify(with_texts(folder), [first.head, second.head]).good


async def test_an_ordinary_restart_finds_nothing(folder: Path) -> None:
    async with node(folder, "a", "b"):
        pass
    async with node(folder, "c") as (log, _):
        assert log.problem == ""
    assert whats(folder) == ["a", "b", "c"]


async def test_a_log_that_was_cut_off_while_the_node_was_away(folder: Path) -> None:
    async with node(folder, "a", "b", "c"):
        pass
    path = segments(folder)[0].path
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    async with node(folder, "d") as (log, _):
        assert "the last head knows of entry 3, and the log ends with entry 1" in log.problem
    assert whats(folder) == ["a", "log.truncated", "d"]


async def test_a_log_that_was_removed_while_the_node_was_away(folder: Path) -> None:
    async with node(folder, "a", "b"):
        pass
    segments(folder)[0].path.unlink()
    async with node(folder, "c") as (log, _):
        assert "entry 2" in log.problem
    assert whats(folder) == ["log.truncated", "c"]


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000, b'{"heads": [{"signed": "eA=="}]}', b'{"heads": 3}'])
async def test_a_head_that_cannot_be_read_stops_nothing(folder: Path, content: bytes) -> None:
    async with node(folder, "a"):
        pass
    (folder / HEAD).write_bytes(content)
    async with node(folder, "b") as (log, _):
        assert log.problem == ""
    assert whats(folder) == ["a", "b"]
