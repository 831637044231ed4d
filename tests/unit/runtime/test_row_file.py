from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appliance.runtime.members.row_file import FILE, KeptRows, keep_rows, read_rows

ROWS = [b"one", b"", b"\xff" * 2048]


def test_what_was_kept_is_read(tmp_path: Path) -> None:
    keep_rows(tmp_path, ROWS)
    assert read_rows(tmp_path) == ROWS
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    keep_rows(tmp_path, [])
    assert read_rows(tmp_path) == []


def test_each_file_has_its_own(tmp_path: Path) -> None:
    keep_rows(tmp_path, [b"other"], "other")
    keep_rows(tmp_path, ROWS)
    assert (read_rows(tmp_path, "other"), read_rows(tmp_path)) == ([b"other"], ROWS)


def test_what_is_not_whole_is_left_out(tmp_path: Path) -> None:
    keep_rows(tmp_path, ROWS)
    whole = (tmp_path / FILE).read_bytes()
    for cut in (*range(12), len(whole) - 1):
        (tmp_path / FILE).write_bytes(whole[:cut])
        assert read_rows(tmp_path) == ROWS[: len(read_rows(tmp_path))]


def test_no_file_is_no_rows_and_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    assert read_rows(tmp_path) == []
    with pytest.raises(OSError, match="No such file"):
        keep_rows(tmp_path / "gone", ROWS)


async def test_what_changed_is_written_when_the_node_stops(tmp_path: Path) -> None:
    kept = KeptRows(tmp_path, lambda: ROWS)
    kept.soon()
    await kept.close()
    assert read_rows(tmp_path) == ROWS
    (tmp_path / FILE).unlink()
    await kept.close()
    assert read_rows(tmp_path) == [], "nothing changed since"


async def test_a_folder_that_is_gone_stops_nobody_and_is_said_until_it_is_back(tmp_path: Path) -> None:
    kept = KeptRows(tmp_path / "gone", lambda: ROWS, "other")
    await kept.close()
    assert "No such file" in kept.problem
    (tmp_path / "gone").mkdir()
    await kept.close()
    assert kept.problem == ""
    assert read_rows(tmp_path / "gone", "other") == ROWS


async def test_what_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    kept = KeptRows(tmp_path / "gone", lambda: ROWS, seconds=0.001)
    kept.soon()
    while not kept.problem:  # noqa: ASYNC110  a thread writes
        await asyncio.sleep(0.001)
    (tmp_path / "gone").mkdir()
    while kept.problem:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    assert read_rows(tmp_path / "gone") == ROWS
    await kept.close()
