"""What a killed lab left is removed; what a living one uses is not, wherever its owner lives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.lab import traces
from appliance.lab.naming import new_tag

ELSEWHERE = "lab-4194304-1-1.x"
"""Tag of a process number that nobody here has: its owner is dead, or lives in a PID namespace of its own."""


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(traces.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_directory_nobody_owns_is_swept(scratch: Path) -> None:
    (scratch / ELSEWHERE / "left").mkdir(parents=True)
    assert traces.sweep_scratch() == [str(scratch / ELSEWHERE)]
    assert list(scratch.iterdir()) == []


def test_a_directory_in_use_stays_though_its_owner_is_out_of_sight(scratch: Path) -> None:
    (scratch / ELSEWHERE).mkdir()
    owned = traces.own(scratch / ELSEWHERE)
    assert traces.sweep_scratch() == []
    os.close(owned)
    assert traces.sweep_scratch() == [str(scratch / ELSEWHERE)]


def test_ours_stays(scratch: Path) -> None:
    (scratch / f"{new_tag()}.x").mkdir()
    assert traces.sweep_scratch() == []


def test_other_directories_are_none_of_our_business(scratch: Path) -> None:
    (scratch / "lab-notes").mkdir()
    assert traces.sweep_scratch() == []
