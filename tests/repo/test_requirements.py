"""docs/requirements.md names tests that exist, for each number it has to answer for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| ([\d.]+) \| ([^|]+) \| ([^|]+) \|$", (ROOT / "docs/requirements.md").read_text(), re.MULTILINE)
TESTS = {test for _, _, tests in ROWS for test in re.findall(r"`([^`]+)`", tests)}


def numbers(chapter: int, *spans: tuple[int, int]) -> list[str]:
    return [f"{chapter}.{number}" for first, last in spans for number in range(first, last + 1)]


def test_every_number_is_answered() -> None:
    traffic = numbers(1, (31, 33))
    bootstrap = numbers(1, (50, 52), (59, 59), (71, 73))
    protocol = numbers(4, (1, 6), (8, 8), (11, 29), (34, 37), (40, 44), (47, 54), (56, 57), (59, 61))
    assert [number for number, _, _ in ROWS] == traffic + bootstrap + protocol
    assert all("`" in tests for _, _, tests in ROWS)


def test_every_test_exists() -> None:
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-m", "", *sorted(TESTS)]
    done = subprocess.run(collect, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
