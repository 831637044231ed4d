"""Each scenario of `make rigs` is listed, says in one line what it does, and has its row in docs/rigs.md."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.machines.scenario import Plan, Verdict, about, table, told_of
from tests.machines.scenarios import PLANS

ROOT = Path(__file__).parents[2]
LONGEST = 170
"""Letters of a line that fits into the table."""


def test_the_list_names_each_scenario() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "tests.machines", "--list"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    wanted = [[plan.name, steps.__name__] for plan in PLANS for steps in plan.scenarios]
    assert [line.split()[:2] for line in listed.splitlines()] == wanted


def test_each_scenario_says_in_one_line_what_it_does() -> None:
    wrong = [
        f"{plan.name} {steps.__name__}"
        for plan in PLANS
        for steps in plan.scenarios
        if not about(steps).endswith(".") or len(about(steps)) > LONGEST or "|" in about(steps)
    ]
    assert not wrong, f"a docstring of one line, with a full stop, of at most {LONGEST} letters: {wrong}"


def test_no_scenario_comes_twice() -> None:
    for plan in PLANS:
        names = [name for name, _ in told_of(plan)]
        assert len(names) == len(set(names)), plan.name


def test_the_page_has_a_row_for_each_scenario() -> None:
    rows = re.findall(r"^\| (\S+) \| `(\w+)` \| (.*?) \| ", (ROOT / "docs/rigs.md").read_text(), re.MULTILINE)
    wanted = [(plan.name, name, told) for plan in PLANS for name, told in told_of(plan)]
    assert rows == wanted, "write the missing rows: make rigs args='--list --write'"


async def boots(_bed: object) -> str:
    """It boots."""
    return ""


async def stops(_bed: object) -> str:
    """It stops."""
    return ""


def test_a_row_stays_until_its_scenario_is_done_again() -> None:
    plans = [Plan("bookworm", scenarios=(boots, stops))]
    first = table(plans, [Verdict("bookworm", "boots", "It boots.", well=True, seconds=31.4, said="")], "")
    assert "| bookworm | `boots` | It boots. | well | 31 |" in first
    assert "| bookworm | `stops` | It stops. | – | – |" in first
    second = table(plans, [Verdict("bookworm", "stops", "It stops.", well=False, seconds=2.0, said="")], first)
    assert "| bookworm | `boots` | It boots. | well | 31 |" in second
    assert "| bookworm | `stops` | It stops. | FAILS | 2 |" in second
