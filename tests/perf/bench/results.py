"""What a run found: a value for each figure, contender and round; medians and ratios of them; and its JSON form. Pure.

A ratio is taken within a round, where both saw the same machine, and its median over the rounds is what counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from tests.perf.bench.bars import verdicts
from tests.perf.bench.contenders import ALL
from tests.perf.bench.figures import FIGURES

FORMAT: Final = 1
HANDSHAKE: Final = "handshake"
SIGNATURE: Final = "ml-dsa-87 signature"
"""What a handshake is measured beside: two of these are in it."""
Rounds = dict[int, float]
"""Values by round; a measurement that failed has none."""


@dataclass
class Results:
    """All values of one run. `about` tells when, where and how; `profile` where the time went, by process and floor."""

    about: dict[str, Any] = field(default_factory=dict)
    values: dict[str, dict[str, Rounds]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    profile: dict[str, Any] = field(default_factory=dict)

    def add(self, figure: str, contender: str, number: int, value: float) -> None:
        """Keep the value of a round. The figure must be known."""
        assert figure in FIGURES, figure
        self.values.setdefault(figure, {}).setdefault(contender, {})[number] = value

    def contenders(self, figure: str) -> Sequence[str]:
        """Who has a value, in the order of measuring."""
        return list(self.values.get(figure, {}))

    def median(self, figure: str, contender: str) -> float | None:
        """Over all rounds; None when there is no value."""
        rounds = self.values.get(figure, {}).get(contender)
        return median(rounds.values()) if rounds else None

    def ratio(self, figure: str, contender: str, reference: str) -> float | None:
        """How many times the reference; None where no round has both."""
        found = self.values.get(figure, {})
        pairs = [(value, found.get(reference, {}).get(number)) for number, value in found.get(contender, {}).items()]
        ratios = [value / other for value, other in pairs if other]
        return median(ratios) if ratios else None

    def ratios(self) -> dict[str, dict[str, dict[str, float]]]:
        """By figure, contender of ours and reference."""
        return {figure: found for figure in self.values if (found := self._ratios_of(figure))}

    def _ratios_of(self, figure: str) -> dict[str, dict[str, float]]:
        found = {}
        for contender in self.contenders(figure):
            ratios = {name: self.ratio(figure, contender, name) for name in references(contender)}
            known = {name: round(ratio, 4) for name, ratio in ratios.items() if ratio is not None}
            if known:
                found[contender] = known
        return found

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        units = {name: {"title": f.title, "unit": f.unit, "better": f.better} for name, f in FIGURES.items()}
        values = {
            figure: {name: {str(number): round(value, 5) for number, value in rounds.items()} for name, rounds in found.items()}
            for figure, found in self.values.items()
        }
        return {
            "bench": FORMAT,
            "about": self.about,
            "figures": {name: units[name] for name in values},
            "values": values,
            "ratios": self.ratios(),
            "bars": verdicts(self),
            "failures": self.failures,
            "profile": self.profile,
        }

    def save(self, path: Path) -> None:
        """Write the JSON form."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.document(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def references(contender: str) -> tuple[str, ...]:
    """The names of those a contender is compared with."""
    if contender == HANDSHAKE:
        return (SIGNATURE,)
    return ALL[contender].references if contender in ALL else ()


def from_document(document: Mapping[str, Any]) -> Results:
    """From the JSON form. Raises ValueError for another format."""
    if document.get("bench") != FORMAT:
        raise ValueError(f"not a result of this benchmark (format {FORMAT}): {document.get('bench')}")
    values = {
        figure: {name: {int(number): value for number, value in rounds.items()} for name, rounds in found.items()}
        for figure, found in document["values"].items()
        if figure in FIGURES
    }
    return Results(dict(document["about"]), values, list(document["failures"]), dict(document["profile"]))


def load(path: Path) -> Results:
    """From a file. Raises OSError, ValueError."""
    return from_document(json.loads(path.read_text(encoding="utf-8")))
