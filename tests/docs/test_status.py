"""The page of what is done follows from the requirements and their tests."""

from __future__ import annotations

import runpy
import tomllib

import pytest

from tests.docs.markdown import ROOT

MADE = runpy.run_path(str(ROOT / "docs/status.py"))
REQUIRED = {"7": {"title": "Boats", "not_code": ["7.4"], "7.1": "Float", "7.2": "Sail", "7.3": "Fly", "7.4": "Be launched"}}


def test_it_is_made_from_the_requirements() -> None:
    assert (ROOT / "docs/status.md").read_text() == MADE["today"](), "write it again: make docs"


def test_no_number_is_left_out() -> None:
    for number, chapter in tomllib.loads((ROOT / "docs/requirements.toml").read_text()).items():
        numbers = [key for key in chapter if "." in key]
        assert numbers == [f"{number}.{index}" for index in range(1, len(numbers) + 1)]
        assert set(chapter["not_code"]) <= set(numbers)


def test_the_four_states() -> None:
    answered = MADE["rows"]("| 7.1 | It floats | `a`<br>`b` |\n| 7.2 | It sails. **Missing:** upwind | `c` |\n")
    page = MADE["status"](REQUIRED, answered).splitlines()
    assert "| 7 · Boats | 1 | 1 | 1 | 1 | 4 |" in page
    assert page[-4:] == [
        "| 7.1 | Float | done | 2 |",
        "| 7.2 | Sail | partly: upwind | 1 |",
        "| 7.3 | Fly | planned |  |",
        "| 7.4 | Be launched | not code |  |",
    ]


def test_a_number_that_nobody_requires_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"not in requirements.toml: 7\.9"):
        MADE["status"](REQUIRED, MADE["rows"]("| 7.9 | It dives | `d` |\n"))
