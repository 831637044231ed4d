"""Ending the workers of a killed daemon, and never anybody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.runtime.workers import orphans


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_workers_left_behind_are_killed(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    with subprocess.Popen(["sleep", "inf"]) as another:
        orphans.remember(tmp_path, [sleeper.pid, another.pid])
        assert orphans.kill_left_behind(tmp_path) == [sleeper.pid, another.pid]
        assert another.wait() == -9
    assert sleeper.wait() == -9
    assert not (tmp_path / orphans.FILE).exists()


def test_another_process_with_its_number_is_left_alone(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    started = orphans.start_time(sleeper.pid)
    assert started is not None
    (tmp_path / orphans.FILE).write_text(json.dumps([{"pid": sleeper.pid, "start_time": started - 1}]))
    assert orphans.kill_left_behind(tmp_path) == []
    assert sleeper.poll() is None


def test_one_that_is_gone_is_none(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    orphans.remember(tmp_path, [sleeper.pid])
    sleeper.kill()
    sleeper.wait()
    assert orphans.kill_left_behind(tmp_path) == []


@pytest.mark.parametrize("text", ["", "{", "7", "[]", '{"pid": 7}', '[{"pid": "x"}]', "[7]"])
def test_a_damaged_note_is_forgotten(tmp_path: Path, text: str) -> None:
    (tmp_path / orphans.FILE).write_text(text)
    assert orphans.kill_left_behind(tmp_path) == []
    assert not (tmp_path / orphans.FILE).exists()


def test_no_note_is_no_orphan(tmp_path: Path) -> None:
    assert orphans.kill_left_behind(tmp_path) == []


def test_start_time_of_nobody() -> None:
    assert orphans.start_time(2**22 + 1) is None
    assert orphans.start_time(os.getpid()) is not None
