"""A period in a few figures: totals, means, and who had most of it. What a chart draws, too.

Percentiles are those of interval means, since that is what is kept, and say so; where they would mislead there is the largest
figure instead.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, Final, NamedTuple

from appliance.management.analytics.measures import METRICS
from appliance.management.analytics.series import EMPTY, RESOLUTIONS, Book, Cell, Key, Kind, Resolution

MOST_TOP: Final = 100
MOST_POINTS: Final = 1000
"""Of a chart; with more its intervals are put together."""
LONGEST: Final = RESOLUTIONS[-1].step * RESOLUTIONS[-1].slots
"""Seconds that are remembered: a month."""


class Window(NamedTuple):
    """A period, in the finest resolution that goes back so far. Both ends are slots, and belong to it."""

    resolution: Resolution
    first: int
    last: int

    @classmethod
    def of(cls, now: int, seconds: int) -> Window:
        """The last `seconds`, up to `now` (Unix seconds)."""
        resolution = next((each for each in RESOLUTIONS if seconds <= each.step * (each.slots - 1)), RESOLUTIONS[-1])
        last = now // resolution.step
        first = max((now - seconds) // resolution.step, last - resolution.slots + 1, 0)
        return cls(resolution, min(first, last), last)

    @property
    def begins(self) -> int:
        """Unix seconds."""
        return self.first * self.resolution.step

    @property
    def ends(self) -> int:
        """Unix seconds; later than now where the last interval is not over."""
        return (self.last + 1) * self.resolution.step


class Figures(NamedTuple):
    """A series in a window."""

    key: Key
    kind: Kind
    cell: Cell
    """All of it together."""

    @property
    def mean(self) -> float:
        """The mean level, or rate a second; 0 where nothing was read."""
        return self.cell.mean(self.kind) or 0.0


def figures(book: Book, key: Key, window: Window) -> Figures:
    """A series in a window. One that is not there has nothing."""
    series = book.series.get(key)
    kind = METRICS[key.metric].kind if series is None else series.kind
    cell = EMPTY if series is None else series.rings[window.resolution].together(window.first, window.last)
    return Figures(key, kind, cell)


def percentiles(book: Book, key: Key, window: Window, *shares: float) -> list[float]:
    """Of the intervals' means of a level those that so much of the time did not exceed (nearest rank); 0 where there is
    nothing."""
    series = book.series.get(key)
    means = [] if series is None else sorted(series.rings[window.resolution].means(window.first, window.last))
    ranks = list(accumulate(weight for _, weight in means))
    return [means[bisect_left(ranks, math.ceil(share * ranks[-1]))][0] if ranks else 0.0 for share in shares]


def top(book: Book, metric: str, window: Window, most: int) -> list[Figures]:
    """The labelled series of a metric, those with the most in all first."""
    labels = {key.label for key in book.series if key.metric == metric and key.label}
    found = [figures(book, Key(metric, label), window) for label in labels]
    found = [one for one in found if one.cell.weight]
    return sorted(found, key=lambda one: (-_size(one), one.key.label))[: min(most, MOST_TOP)]


def _size(one: Figures) -> float:
    return one.cell.total if one.kind is Kind.RATE else one.cell.most


def points(book: Book, key: Key, window: Window, most: int = MOST_POINTS) -> list[dict[str, Any]]:
    """What a chart draws: intervals that have something, each with the second at which it begins."""
    series = book.series.get(key)
    if series is None:
        return []
    together = math.ceil((window.last - window.first + 1) / max(min(most, MOST_POINTS), 1))
    joined: dict[int, Cell] = {}
    for slot, cell in series.rings[window.resolution].cells(window.first, window.last):
        joined[slot // together] = joined.get(slot // together, EMPTY) + cell
    step = together * window.resolution.step
    return [{"at": number * step, **_shown(cell, series.kind)} for number, cell in sorted(joined.items())]


def _shown(cell: Cell, kind: Kind) -> dict[str, Any]:
    """A rate has the sum too; a level has none that means anything."""
    found = {"mean": cell.mean(kind), "least": cell.least, "most": cell.most}
    return found | {"total": cell.total} if kind is Kind.RATE else found


def summary(book: Book, window: Window, most: int) -> dict[str, Any]:
    """The whole of a period. Totals are counts or bytes; `mean` of a rate is a second's."""

    def all_of(metric: str, label: str = "") -> Figures:
        return figures(book, Key(metric, label), window)

    def ranked(metric: str) -> list[dict[str, Any]]:
        return [_total(one) for one in top(book, metric, window, most)]

    received, sent = all_of("traffic.received"), all_of("traffic.sent")
    return {
        "from": window.begins,
        "to": window.ends,
        "step_s": window.resolution.step,
        "traffic": {
            "received": _total(received),
            "sent": _total(sent),
            "peers": _peers(book, window, most),
        },
        "sessions": {
            "there": _levels(all_of("sessions")),
            "opened": all_of("sessions.opened").cell.total,
            "most_opened": ranked("sessions.opened"),
        },
        "drops": {"all": _total(all_of("drops")), "reasons": ranked("drops")},
        "round_trip": [_trip(book, one, window) for one in top(book, "round-trip", window, most)],
        "jobs": ranked("jobs"),
        "api": ranked("api.requests"),
        "node": {
            "loop_longest_s": all_of("loop.longest").cell.most,
            "late_turns": all_of("loop.late").cell.total,
            "cpu": ranked("cpu"),
            "memory": [{"label": one.key.label, **_levels(one)} for one in top(book, "memory", window, most)],
            "disk_free": _levels(all_of("disk.free")),
        },
    }


def _peers(book: Book, window: Window, most: int) -> list[dict[str, Any]]:
    """Peers by what went over their sessions in both directions."""
    labels = {one.key.label for metric in ("traffic.received", "traffic.sent") for one in top(book, metric, window, MOST_TOP)}
    rows: list[dict[str, Any]] = []
    for label in labels:
        received, sent = (figures(book, Key(f"traffic.{way}", label), window).cell.total for way in ("received", "sent"))
        rows.append({"peer": label, "received": received, "sent": sent})
    return sorted(rows, key=lambda row: (-row["received"] - row["sent"], row["peer"]))[: min(most, MOST_TOP)]


def _total(one: Figures) -> dict[str, Any]:
    found: dict[str, Any] = {"total": one.cell.total, "mean": one.mean, "most": one.cell.most}
    return {"label": one.key.label, **found} if one.key.label else found


def _levels(one: Figures) -> dict[str, Any]:
    return {"least": one.cell.least, "mean": one.mean, "most": one.cell.most}


def _trip(book: Book, one: Figures, window: Window) -> dict[str, Any]:
    """`p50_s` and `p95_s` are percentiles of the intervals' means."""
    half, most = percentiles(book, one.key, window, 0.5, 0.95)
    return {
        "peer": one.key.label,
        "least_s": one.cell.least,
        "p50_s": half,
        "p95_s": most,
        "most_s": one.cell.most,
    }


def names(book: Book) -> Iterable[dict[str, str]]:
    """Which series there are."""
    for key, series in sorted(book.series.items()):
        known = METRICS.get(key.metric)
        yield {
            "metric": key.metric,
            "label": key.label,
            "kind": series.kind.value,
            "unit": known.unit if known else "",
            "text": known.text if known else "",
        }
