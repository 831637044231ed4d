"""Draws the house from the imports of the code, for architecture.md: who stands on whom, floor by floor.

.venv/bin/python docs/house.py >docs/house.svg

A line goes from a room down to each that it imports, but for those that another of them imports already. Imports for type
checkers count, and so do those inside of functions.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "appliance"
UNDER_THE_ROOF = "runtime"
"""The package whose rooms are drawn one by one."""
BESIDE = {"testing"}
"""Stands beside the house: the product does not know it."""
# Pixels.
WIDTH, HEIGHT, GAP, FLOOR, MARGIN, FONT = 128, 30, 18, 66, 24, 13
PANEL, LINE, BOX, TEXT, FRAME = "#ffffff", "#9aa7b4", "#e8f0fa", "#16202c", "#f4f6f8"

Edges = dict[str, set[str]]


def imports(root: Path) -> Edges:
    """Which modules of the package each of its modules imports; both as dotted names below it."""
    modules = {_name(root, path): path for path in sorted(root.rglob("*.py"))}
    return {name: set(_imported(ast.parse(path.read_text()), root.name, modules)) - {name} for name, path in modules.items()}


def _name(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(tree: ast.Module, package: str, modules: Mapping[str, Path]) -> Iterable[str]:
    prefix = f"{package}."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix(prefix) for alias in node.names if alias.name.startswith(prefix))
        elif isinstance(node, ast.ImportFrom) and node.module and f"{node.module}.".startswith(prefix):
            module = node.module.removeprefix(package).removeprefix(".")
            for alias in node.names:
                inner = f"{module}.{alias.name}".removeprefix(".")
                yield inner if inner in modules else module


def rooms(found: Edges, room: Mapping[str, str]) -> Edges:
    """The same between rooms; modules without one are left out."""
    between: Edges = {name: set() for name in room.values()}
    for module, imported in found.items():
        if module in room:
            between[room[module]] |= {room[other] for other in imported if other in room} - {room[module]}
    return between


def floors(edges: Edges) -> list[list[str]]:
    """The rooms of each floor, the ground first: each stands above all that it imports."""
    height: dict[str, int] = {}
    while len(height) < len(edges):
        ready = {room for room in edges if room not in height and edges[room] <= height.keys()}
        if not ready:
            raise ValueError(f"a circle among {', '.join(sorted(edges.keys() - height.keys()))}")
        height |= {room: max((height[below] + 1 for below in edges[room]), default=0) for room in ready}
    return [sorted(room for room in height if height[room] == floor) for floor in range(max(height.values()) + 1)]


def raised(levels: list[list[str]], edges: Edges) -> list[list[str]]:
    """The same floors with each room moved up to right below the lowest that imports it, so that lines are short."""
    height = {room: floor for floor, level in enumerate(levels) for room in level}
    for room in sorted(height, key=lambda room: -height[room]):
        above = [height[user] for user, below in edges.items() if room in below]
        height[room] = min(above) - 1 if above else height[room]
    return [sorted(room for room in height if height[room] == floor) for floor in range(len(levels))]


def needed(edges: Edges) -> Edges:
    """Without what is imported by another import already (the transitive reduction)."""
    reach: Edges = {}
    for floor in floors(edges):
        for room in floor:
            reach[room] = edges[room].union(*(reach[below] for below in edges[room]))
    return {
        room: {below for below in found if not any(below in reach[other] for other in found - {below})}
        for room, found in edges.items()
    }


def _ordered(levels: list[list[str]], edges: Edges) -> list[list[str]]:
    """Each floor in the order of what it stands on, so that lines cross seldom."""
    place: dict[str, float] = {}
    ordered = []
    for level in levels:
        mean = {
            room: sum(place[below] for below in edges[room]) / len(edges[room]) if edges[room] else float(index)
            for index, room in enumerate(level)
        }
        row = sorted(level, key=lambda room: (mean[room], room))
        place |= {room: index - (len(row) - 1) / 2 for index, room in enumerate(row)}
        ordered.append(row)
    return ordered


def panel(title: str, edges: Edges, x: float, y: float) -> tuple[list[str], float, float]:
    """The SVG of one house with its upper left corner there, its width and its height."""
    edges = needed(edges)
    levels = _ordered(raised(floors(edges), edges), edges)
    width = max(len(level) for level in levels) * (WIDTH + GAP) - GAP + 2 * MARGIN
    height = len(levels) * FLOOR + 2 * MARGIN
    at: dict[str, tuple[float, float]] = {}
    for floor, level in enumerate(levels):
        left = x + (width - (len(level) * (WIDTH + GAP) - GAP)) / 2
        for index, room in enumerate(level):
            at[room] = left + index * (WIDTH + GAP), y + height - MARGIN - HEIGHT - floor * FLOOR
    parts = [
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="10" fill="{FRAME}"/>',
        f'<text x="{x + MARGIN / 2:g}" y="{y + MARGIN:g}" font-weight="bold" text-anchor="start">{title}</text>',
    ]
    parts += [_line(at[room], at[below]) for room in sorted(edges) for below in sorted(edges[room])]
    parts += [_box(room, *corner) for room, corner in sorted(at.items())]
    return parts, width, height


def _line(above: tuple[float, float], below: tuple[float, float]) -> str:
    x1, y1, x2, y2 = above[0] + WIDTH / 2, above[1] + HEIGHT, below[0] + WIDTH / 2, below[1]
    bend = (y2 - y1) / 2
    return f'<path d="M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}" fill="none" stroke="{LINE}"/>'


def _box(room: str, x: float, y: float) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{BOX}" stroke="{LINE}"/>'
        f'<text x="{x + WIDTH / 2:g}" y="{y + HEIGHT / 2 + FONT / 3:.1f}">{room}</text>'
    )


def picture(root: Path = ROOT) -> str:
    """The SVG: the packages, and beside them the rooms of the one under the roof."""
    found = imports(root)
    packages = {module: module.split(".")[0] for module in found if module and module.split(".")[0] not in BESIDE}
    inner = {
        module: module.split(".")[1] for module in found if module.startswith(f"{UNDER_THE_ROOF}.") and module.count(".") >= 1
    }
    left, width, height = panel(root.name, rooms(found, packages), 0, 0)
    right, more, taller = panel(f"{root.name}.{UNDER_THE_ROOF}", rooms(found, inner), width + GAP, 0)
    total, tall = width + GAP + more, max(height, taller)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total:g} {tall:g}" width="{total:g}" height="{tall:g}">',
            f'<rect width="{total:g}" height="{tall:g}" fill="{PANEL}"/>',
            f'<g font-family="sans-serif" font-size="{FONT}" fill="{TEXT}" text-anchor="middle">',
            *left,
            *right,
            "</g>\n</svg>\n",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(picture())
