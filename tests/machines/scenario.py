"""What a scenario is, and the table of their verdicts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.machines.bed import Bed

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


def table(verdicts: Sequence[Verdict]) -> str:
    """For docs/rigs.md."""
    lines = ["| machines | scenario | what is done, and what must come of it | verdict | s |", "|---|---|---|---|---|"]
    for each in verdicts:
        cells = (each.bed, f"`{each.name}`", each.about, "well" if each.well else "FAILS", f"{each.seconds:.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
