from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from appliance.foundation.whole_files import write_whole


def test_another_content_takes_the_place_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"one")
    write_whole(path, b"two", 0o644)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_what_cannot_be_written_leaves_all_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_whole(path, b"one")

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"two")
    assert path.read_bytes() == b"one"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_what_a_killed_writer_left_is_written_over_and_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "file.part").symlink_to(tmp_path / "victim")
    write_whole(tmp_path / "file", b"one")
    assert not (tmp_path / "victim").exists()
