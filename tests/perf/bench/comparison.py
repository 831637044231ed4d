"""Did anything get worse? Ratios of a run beside those of the committed one. Pure.

A figure is worse when its ratio to every reference that both runs have is beyond the tolerance: a reference that was lucky in
one run is no reason for alarm. What the baseline has and the run could not measure is worse, too, but not what was left out.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from tests.perf.bench.figures import FIGURES, Figure
from tests.perf.bench.results import Results, references

MOST_TOLERANT = 0.9
"""A rate that fell to a tenth is worse, however much it varies."""


class Change(NamedTuple):
    """One ratio then and now. `factor` > 1 is better, whichever way the figure counts."""

    figure: str
    contender: str
    reference: str
    before: float
    now: float
    factor: float
    worse: bool

    def told(self) -> str:
        """One line for people."""
        return (
            f"{FIGURES[self.figure].title}, {self.contender}: {self.now:.3g} × {self.reference}, was {self.before:.3g} × "
            f"({self.factor:.2f} times as good)"
        )


def compare(baseline: Results, run: Results) -> list[Change]:
    """The change of each figure that both have, by the reference that is kindest to it."""
    before, now = baseline.ratios(), run.ratios()
    changes = []
    for name, contenders in before.items():
        for contender, ratios in contenders.items():
            found = now.get(name, {}).get(contender, {})
            candidates = [_change(name, contender, each, ratios[each], found[each]) for each in ratios if each in found]
            if candidates:
                changes.append(max(candidates, key=lambda change: change.factor))
    return changes


def missing(baseline: Results, run: Results, left_out: Collection[str] = ()) -> list[str]:
    """What the baseline has and the run tried to measure and could not, one line each."""
    return [
        f"{FIGURES[figure].title}, {contender}: could not be measured"
        for figure, contenders in baseline.ratios().items()
        if figure not in left_out
        for contender in contenders
        if run.median(figure, contender) is None and any(run.median(figure, other) for other in references(contender))
    ]


def _change(name: str, contender: str, reference: str, before: float, now: float) -> Change:
    factor = gain(FIGURES[name], before, now)
    return Change(name, contender, reference, before, now, factor, factor < least(FIGURES[name]))


def gain(figure: Figure, before: float, now: float) -> float:
    """How many times as good as before."""
    better, worse = (now, before) if figure.higher_is_better else (before, now)
    return better / worse if worse else float("inf")


def least(figure: Figure) -> float:
    """The factor below which a figure is worse: a half more of what should be little is two thirds as good."""
    return 1 - min(figure.tolerance, MOST_TOLERANT) if figure.higher_is_better else 1 / (1 + figure.tolerance)
