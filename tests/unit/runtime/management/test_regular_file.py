"""Nobody waits for what is no regular file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.runtime.management.regular_file import open_regular


def test_a_file_is_read_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"sesame")
    (tmp_path / "link").symlink_to("s")
    with open_regular(tmp_path / "link") as file:
        assert file.read() == b"sesame"


def test_a_pipe_a_folder_and_a_device_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(OSError, match="no regular file"):
            open_regular(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
