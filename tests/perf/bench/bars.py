"""What is required of the figures: each bar, and whether a run met it. Pure.

A bar is a ratio to a reference of the same rounds, or, without a reference, a value in the figure's unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.perf.bench.contenders import WIREGUARD
from tests.perf.bench.figures import BULK_LOADS, FIGURES, beside

if TYPE_CHECKING:
    from tests.perf.bench.results import Results


class Bar(NamedTuple):
    """At least `value` where more of the figure is better, otherwise at most."""

    figure: str
    contender: str
    reference: str
    value: float

    def measured(self, results: Results) -> float | None:
        """What the run found; None when it did not measure that."""
        if self.reference:
            return results.ratio(self.figure, self.contender, self.reference)
        return results.median(self.figure, self.contender)

    def met(self, results: Results) -> bool | None:
        """Is it? None when it was not measured."""
        measured = self.measured(results)
        if measured is None:
            return None
        return measured >= self.value if FIGURES[self.figure].higher_is_better else measured <= self.value


BARS: Final = (
    Bar("throughput", "udp", WIREGUARD, 3),
    Bar("back", "udp", WIREGUARD, 3),
    Bar("throughput", "tcp", WIREGUARD, 4),
    Bar("flows-8", "udp", WIREGUARD, 3),
    Bar("loss-1", "udp", WIREGUARD, 1),
    Bar("packets-64", "udp", WIREGUARD, 2.5),
    Bar("packets-1200", "udp", WIREGUARD, 2),
    Bar("idle-p50", "udp", WIREGUARD, 1.1),
    Bar("loaded-p99", "udp", WIREGUARD, 0.5),
    Bar("cpu", "udp", WIREGUARD, 0.3),
    Bar("memory", "udp", WIREGUARD, 0.4),
    Bar("first-reply", "udp", "", 0.5),
    *(
        bar
        for scheme in ("udp", "tcp")
        for bar in (
            Bar("idle-p50", scheme, "", 2),
            Bar("idle-p95", scheme, "", 5),
            Bar("idle-p99", scheme, "", 10),
            *(Bar(f"{load}-p99", f"{scheme} qos", "", 5) for load in BULK_LOADS),
            Bar(beside("throughput"), f"{scheme} monitored", scheme, 0.9),
            Bar(beside("packets-64"), f"{scheme} monitored", scheme, 0.9),
            Bar(beside("cpu"), f"{scheme} monitored", scheme, 1.1),
        )
    ),
)


def verdicts(results: Results) -> list[dict[str, Any]]:
    """All bars that were measured, for programs."""
    return [
        {**bar._asdict(), "measured": round(measured, 4), "met": bar.met(results)}
        for bar in BARS
        if (measured := bar.measured(results)) is not None
    ]
