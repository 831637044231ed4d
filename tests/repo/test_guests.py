"""The page about guests tells of each step, in order."""

from __future__ import annotations

import re
from pathlib import Path

from tests.guests.steps import STEPS

PAGE = Path(__file__).parents[2] / "docs/guests.md"


def test_the_page_has_a_line_for_each_step() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE) == [step.__name__ for step in STEPS]
