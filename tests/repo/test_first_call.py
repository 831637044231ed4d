"""From nothing to the first authenticated call of the API in five minutes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_first_call_takes_five_minutes_at_most() -> None:
    done = subprocess.run(["make", "first-call"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "first user, first calls and a reviewed change after" in done.stdout
