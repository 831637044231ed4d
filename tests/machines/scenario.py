"""What a scenario is, and the table of their verdicts."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from tests.machines.bed import Bed

HEAD: Final = ("| machines | scenario | what is done, and what must come of it | verdict | s |", "|---|---|---|---|---|")
REMOVED: Final = "removed"
REMOVED_ABOUT: Final = "SIGTERM of both nodes: no trace of them, nor of the machines"
NOT_YET: Final = ("–", "–")
_ROW: Final = re.compile(r"^\| (?P<bed>\S+) \| `(?P<name>\w+)` \| .* \| (?P<verdict>\S+) \| (?P<seconds>\S+) \|$", re.MULTILINE)
Steps = Callable[[Bed], Awaitable[str]]
"""Does it, and says what it saw. Raises `bed.Wrong`. Its docstring is one line: what is done, and what must come of it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Scenarios that happen to one bed, one after the other. Each leaves it as it found it, or says so by `bed.as_before`."""

    name: str
    suite: str = "bookworm"
    arch: str = "amd64"
    extras: tuple[str, ...] = ()
    scenarios: tuple[Steps, ...] = ()
    start: bool = True
    """Do the nodes run from the beginning?"""
    asked_for: bool = False
    """Only where its name is said: it takes too long for every time."""


class Verdict(NamedTuple):
    """What came of one scenario."""

    bed: str
    name: str
    about: str
    well: bool
    seconds: float
    said: str


def about(steps: Steps) -> str:
    """The line that tells of it."""
    return (steps.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ").strip()


def table(plans: Sequence[Plan], verdicts: Sequence[Verdict], before: str) -> str:
    """For docs/rigs.md: a row for each scenario of each bed. What was not done this time ends as in the table `before`."""
    ends = {(row["bed"], row["name"]): (row["verdict"], row["seconds"]) for row in _ROW.finditer(before)}
    ends |= {(each.bed, each.name): ("well" if each.well else "FAILS", f"{each.seconds:.0f}") for each in verdicts}
    rows = [
        (plan.name, f"`{name}`", told, *ends.get((plan.name, name), NOT_YET)) for plan in plans for name, told in told_of(plan)
    ]
    return "\n".join([*HEAD, *(f"| {' | '.join(row)} |" for row in rows)])


def told_of(plan: Plan) -> list[tuple[str, str]]:
    """What a bed comes to, in order: the scenarios, and that it is removed at the end. Each with the line that tells of it."""
    return [*((steps.__name__, about(steps)) for steps in plan.scenarios), (REMOVED, REMOVED_ABOUT)]
