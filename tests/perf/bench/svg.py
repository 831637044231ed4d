"""A small writer of charts: horizontal bars and lines, as SVG that is readable on light and on dark pages.

Every mark has its name and its value beside it in words, so that colour only helps; the colours are of Okabe and Ito's palette,
which people with any kind of colour vision tell apart. The writer knows nothing of benchmarks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final, NamedTuple

WIDTH: Final = 720
FONT: Final = 13
LEADING: Final = 22
MARGIN: Final = 16
ADVANCE: Final = 7.8
"""Of a character of the usual sans-serif fonts at this size, generously."""
PALETTE: Final = ("#7f7f7f", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#b58900")
DARK_PALETTE: Final = ("#a6a6a6", "#e69f00", "#56b4e9", "#2fc79a", "#e0a3c4", "#f0e442")
DASHES: Final = ("", "7 4", "", "2 3", "9 3 2 3", "4 4")
SHAPES: Final = ("circle", "square", "triangle", "diamond", "circle", "square")
CORNERS: Final[dict[str, tuple[tuple[float, float], ...]]] = {
    "square": ((-4, -4), (4, -4), (4, 4), (-4, 4)),
    "triangle": ((0, -5.5), (5, 4), (-5, 4)),
    "diamond": ((0, -6), (6, 0), (0, 6), (-6, 0)),
}
PLOT_HEIGHT: Final = 260
STYLE: Final = (
    ".back{fill:#ffffff}.ink{fill:#24292f}.faint{fill:#57606a}.grid{stroke:#d0d7de}"
    + "".join(f".f{n}{{fill:{c}}}.s{n}{{stroke:{c}}}" for n, c in enumerate(PALETTE))
    + "@media (prefers-color-scheme:dark){.back{fill:#0d1117}.ink{fill:#e6edf3}.faint{fill:#9ea7b3}.grid{stroke:#3d444d}"
    + "".join(f".f{n}{{fill:{c}}}.s{n}{{stroke:{c}}}" for n, c in enumerate(DARK_PALETTE))
    + "}"
)


class Bar(NamedTuple):
    """`colour` is a number of the palette; `text` is written after the bar."""

    label: str
    value: float
    colour: int
    text: str


class Panel(NamedTuple):
    """Bars on one scale, below a heading. The scale ends at the largest of them unless `end` says where."""

    heading: str
    bars: Sequence[Bar]
    end: float | None = None


def bars(title: str, panels: Sequence[Panel]) -> str:
    """A chart of one or more panels below each other, each with a scale from zero of its own."""
    left = MARGIN + round(max(len(bar.label) for panel in panels for bar in panel.bars) * ADVANCE) + 8
    right = round(max(len(bar.text) for panel in panels for bar in panel.bars) * ADVANCE) + 8
    room = WIDTH - left - right - MARGIN
    parts, y = [], MARGIN + FONT + 14
    for panel in panels:
        y += LEADING
        parts.append(_text(MARGIN, y - 6, panel.heading, "faint"))
        end = panel.end or max(bar.value for bar in panel.bars) or 1
        for bar in panel.bars:
            length = max(1.0, bar.value / end * room)
            parts.append(_text(left - 8, y + 15, bar.label, "ink", anchor="end"))
            parts.append(
                f'<rect class="f{bar.colour}" x="{left}" y="{y + 3}" width="{length:.1f}" height="{LEADING - 6}" rx="2"/>'
            )
            parts.append(_text(round(left + length + 6), y + 15, bar.text, "ink"))
            y += LEADING
        y += 8
    return _picture(title, y + MARGIN - 8, parts)


def lines(title: str, unit: str, places: Sequence[str], series: Mapping[str, Sequence[float | None]], axis: str) -> str:
    """Lines over named places at equal distances, on a logarithmic scale; each is named where it ends."""
    known = [value for values in series.values() for value in values if value]
    low, high = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
    high = max(high, low + 1)
    left, top = MARGIN + 56, MARGIN + FONT + 34
    right = WIDTH - MARGIN - round(max(map(len, series)) * ADVANCE) - 14
    step = (right - left - 20) / max(1, len(places) - 1)

    def x_of(index: int) -> float:
        return left + 10 + index * step

    def y_of(value: float) -> float:
        return top + PLOT_HEIGHT * (high - math.log10(value)) / (high - low)

    parts = [_text(MARGIN, top - 14, unit, "faint")]
    for power in range(low, high + 1):
        y = y_of(10.0**power)
        parts.append(f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>')
        parts.append(_text(left - 8, round(y) + 4, f"{10.0**power:g}", "faint", anchor="end"))
    parts += [_text(round(x_of(n)), top + PLOT_HEIGHT + 20, place, "faint", anchor="middle") for n, place in enumerate(places)]
    parts.append(_text(round((left + right) / 2), top + PLOT_HEIGHT + 40, axis, "faint", anchor="middle"))
    ends = []
    for number, (name, values) in enumerate(series.items()):
        points = [(x_of(n), y_of(value)) for n, value in enumerate(values) if value]
        if points:
            parts += _line(number, points)
            ends.append((points[-1][1], name))
    parts += [_text(right + 8, round(y) + 4, name, "ink") for y, name in spread(ends, FONT + 4)]
    return _picture(title, top + PLOT_HEIGHT + 40 + MARGIN, parts)


def spread(ends: Sequence[tuple[float, str]], distance: float) -> list[tuple[float, str]]:
    """The same labels from top to bottom, moved down where they would lie on each other."""
    placed: list[tuple[float, str]] = []
    for y, name in sorted(ends):
        placed.append((max(y, placed[-1][0] + distance) if placed else y, name))
    return placed


def _line(number: int, points: Sequence[tuple[float, float]]) -> list[str]:
    n = number % len(PALETTE)
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = f' stroke-dasharray="{DASHES[n]}"' if DASHES[n] else ""
    drawn = [f'<polyline class="s{n}" points="{path}" fill="none" stroke-width="2.5"{dash}/>']
    return drawn + [_mark(SHAPES[n], n, x, y) for x, y in points]


def _mark(shape: str, colour: int, x: float, y: float) -> str:
    if shape == "circle":
        return f'<circle class="f{colour}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in CORNERS[shape])
    return f'<polygon class="f{colour}" points="{points}"/>'


def _text(x: float, y: float, text: str, kind: str, *, anchor: str = "start") -> str:
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{kind}" x="{x}" y="{y}"{where}>{escape(text, quote=False)}</text>'


def _picture(title: str, height: int, parts: Sequence[str]) -> str:
    heading = escape(title, quote=False)
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{heading}</title>\n<style>{STYLE}</style>",
            f'<rect class="back" width="{WIDTH}" height="{height}" rx="8"/>',
            f'<g font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" font-size="{FONT}">',
            f'<text class="ink" x="{MARGIN}" y="{MARGIN + FONT}" font-weight="600">{heading}</text>',
            *parts,
            "</g>\n</svg>\n",
        ]
    )
