"""Who has a host: here the host is this machine, and nothing stands between."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from appliance.errors import HostError
from appliance.lab.machines.claim import Claim, Taken


def enter(words: Sequence[str | Path]) -> list[str]:
    return [str(word) for word in words]


def claim(folder: Path) -> Claim:
    return Claim(enter, os.environ, folder, "lab-1-2-3 on bench")


def test_one_lab_has_a_host_at_a_time(tmp_path: Path) -> None:
    first = claim(tmp_path / "lab")
    with pytest.raises(Taken):
        claim(tmp_path / "lab")
    assert (tmp_path / "lab/lock").read_text() == f"{first.holder} lab-1-2-3 on bench\n", "whoever is refused can say by whom"
    first.release()
    claim(tmp_path / "lab").release()


def test_a_lab_that_is_gone_has_it_no_more(tmp_path: Path) -> None:
    gone = claim(tmp_path / "lab")
    os.kill(gone.holder, signal.SIGKILL)
    gone.release()
    claim(tmp_path / "lab").release()


def test_a_lock_that_went_with_its_folder_is_nobodys(tmp_path: Path) -> None:
    first = claim(tmp_path / "lab")
    (tmp_path / "lab/lock").unlink()
    second = claim(tmp_path / "lab")
    second.release()
    first.release()


def test_where_no_folder_can_be_made_the_host_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="Not a directory"):
        claim(tmp_path / "file/lab")


def test_a_lab_that_goes_without_undoing_what_it_noted_leaves_when_that_was(tmp_path: Path) -> None:
    held = claim(tmp_path / "lab")
    held.release()
    assert not (tmp_path / "lab/ended").exists(), "it noted nothing"
    held = claim(tmp_path / "lab")
    (tmp_path / "lab/notes").touch()
    held.release()
    first = (tmp_path / "lab/ended").stat().st_mtime_ns
    claim(tmp_path / "lab").release()
    assert (tmp_path / "lab/ended").stat().st_mtime_ns == first, "whoever only looked is not who went"
