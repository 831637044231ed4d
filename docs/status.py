"""docs/status.md: what is done of what is required, from requirements.toml (all of it) and requirements.md (which tests say so).

.venv/bin/python docs/status.py >docs/status.md

A requirement that its tests hold only in part has in its row, at the end of the cell, `**Missing:**` and what is missing.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
MISSING = "**Missing:**"
ROW = re.compile(r"^\| (\d+\.\d+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


class State(StrEnum):
    """How far a requirement is."""

    DONE = "done"
    PARTLY = "partly"
    PLANNED = "planned"
    NOT_CODE = "not code"


LEGEND = {
    State.DONE: "tests fail when it is not met",
    State.PARTLY: "tests hold a part of it; what is missing is said",
    State.PLANNED: "no test says so, whatever there is of it",
    State.NOT_CODE: "nothing that a test can hold: releases, the order of the work",
}
HEAD = """\
# What is done

<!-- Generated from docs/requirements.toml and docs/requirements.md: make docs -->

Each requirement by its number, and whether tests hold it. Which tests these are: [requirements.md](requirements.md).
"""


class Row(NamedTuple):
    """What requirements.md says of a number."""

    tests: int
    missing: str


def status(required: Mapping[str, Any], answered: Mapping[str, Row]) -> str:
    """The whole page. Raises ValueError for a number that nobody requires."""
    known = {number for chapter in required.values() for number in _titles(chapter)}
    if strangers := sorted(answered.keys() - known):
        raise ValueError(f"not in requirements.toml: {', '.join(strangers)}")
    counts = {number: _counted(chapter, answered) for number, chapter in required.items()}
    parts = [HEAD.rstrip(), _table(("state", "means"), [(state, LEGEND[state]) for state in State])]
    totals = [_total(f"{number} · {required[number]['title']}", count) for number, count in counts.items()]
    everything = sum(counts.values(), Counter[State]())
    parts.append(_table(("chapter", *State, "all"), [*totals, _total("**together**", everything)]))
    for number, chapter in required.items():
        parts.append(f"## {number} · {chapter['title']}")
        rows = [_row(number, title, chapter, answered) for number, title in _titles(chapter).items()]
        parts.append(_table(("number", "requirement", "state", "tests"), rows))
    return "\n\n".join(parts) + "\n"


def rows(document: str) -> dict[str, Row]:
    """The rows of requirements.md by number."""
    return {
        number: Row(tests.count("`") // 2, said.partition(MISSING)[2].strip()) for number, said, tests in ROW.findall(document)
    }


def _titles(chapter: Mapping[str, Any]) -> dict[str, str]:
    return {key: title for key, title in chapter.items() if "." in key}


def _state(number: str, chapter: Mapping[str, Any], answered: Mapping[str, Row]) -> State:
    if number in answered:
        return State.PARTLY if answered[number].missing else State.DONE
    return State.NOT_CODE if number in chapter["not_code"] else State.PLANNED


def _counted(chapter: Mapping[str, Any], answered: Mapping[str, Row]) -> Counter[State]:
    return Counter(_state(number, chapter, answered) for number in _titles(chapter))


def _total(title: str, count: Counter[State]) -> tuple[str, ...]:
    return (title, *(str(count[state]) for state in State), str(count.total()))


def _row(number: str, title: str, chapter: Mapping[str, Any], answered: Mapping[str, Row]) -> tuple[str, ...]:
    row = answered.get(number, Row(0, ""))
    state = _state(number, chapter, answered)
    return number, title, f"{state}: {row.missing}" if row.missing else state, str(row.tests or "")


def _table(head: tuple[str, ...], body: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def today() -> str:
    """The page as it should be now."""
    required = tomllib.loads((HERE / "requirements.toml").read_text(encoding="utf-8"))
    return status(required, rows((HERE / "requirements.md").read_text(encoding="utf-8")))


if __name__ == "__main__":
    sys.stdout.write(today())
