"""The book on the disk: what a kill or a full disk leaves of it."""

from __future__ import annotations

import asyncio
from math import inf
from pathlib import Path

from appliance.foundation.whole_files import PART
from appliance.knowledge.scores.blocks import Block
from appliance.knowledge.scores.book import Book
from appliance.runtime.knowledge.scores_file import FILE, KeptBook

MEMBER = b"m" * 32


def kept(folder: Path) -> KeptBook:
    return KeptBook(folder, lambda: 5.0, lambda: 1_800_000_000.0)


def blocking() -> Book:
    book = Book()
    book.blocks.put(MEMBER, Block("floods", "root", 0.0, inf))
    return book


def test_nothing_is_there_at_first(tmp_path: Path) -> None:
    file = kept(tmp_path)
    assert not file.read().blocks
    assert not file.problem


def test_what_was_written_is_read_and_what_a_kill_left_half_is_not(tmp_path: Path) -> None:
    asyncio.run(kept(tmp_path).write(blocking()))
    (tmp_path / (FILE + PART)).write_bytes(b'{"form": 1, "wri')
    assert kept(tmp_path).read().blocks.all[MEMBER].reason == "floods"
    asyncio.run(kept(tmp_path).write(Book()))
    assert not kept(tmp_path).read().blocks


def test_what_is_to_be_written_soon_is_written_at_the_end(tmp_path: Path) -> None:
    async def story() -> None:
        file = kept(tmp_path)
        file.soon(blocking())
        assert not (tmp_path / FILE).exists()
        await file.close()

    asyncio.run(story())
    assert MEMBER in kept(tmp_path).read().blocks


def test_a_folder_that_is_gone_is_a_problem_and_no_exception(tmp_path: Path) -> None:
    file = kept(tmp_path / "gone")
    asyncio.run(file.write(blocking()))
    assert "cannot be kept" in file.problem
