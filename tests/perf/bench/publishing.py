"""From a run to what is committed: the baseline, the plots, and the generated part of docs/performance.md."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.perf.bench.plots import DESCRIPTIONS, plots
from tests.perf.bench.results import Results, load
from tests.perf.bench.schedule import GROUPS
from tests.perf.bench.tables import tables

BEGIN: Final = "<!-- figures: written by `make bench args=--publish`, from tests/perf/bench/baseline.json -->"
END: Final = "<!-- end of figures -->"
PLOTS: Final = "plots"
"""The folder of pictures, below docs/."""


def baseline(root: Path) -> Path:
    """The committed results, below the repository's root."""
    return root / "tests/perf/bench/baseline.json"


def publish(results: Results, root: Path) -> None:
    """Make these results the committed ones. A run without figures changes only the profile, a run without profile keeps it."""
    path = baseline(root)
    if path.is_file():
        before = load(path)
        results.profile = results.profile or before.profile
        if not results.values:
            results.about, results.values, results.failures = before.about, before.values, before.failures
    if missing := GROUPS - set(results.about.get("groups", ())):
        sys.exit(f"not published: this run left out {', '.join(sorted(missing))}")
    results.save(path)
    for file, text in generated(load(path), root).items():  # from the file, whose values are rounded
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")


def generated(results: Results, root: Path) -> Mapping[Path, str]:
    """Each generated file below the repository's root, and what it should hold."""
    page = root / "docs/performance.md"
    pictures = plots(results)
    files = {root / "docs" / PLOTS / name: text for name, text in pictures.items()}
    return {**files, page: with_figures(page.read_text(encoding="utf-8"), figures(results, pictures))}


def figures(results: Results, pictures: Mapping[str, str]) -> str:
    """The generated part of the page."""
    shown = [f"![{DESCRIPTIONS[name]}]({PLOTS}/{name})" for name in DESCRIPTIONS if name in pictures]
    return "\n\n".join([tables(results).strip(), *shown])


def with_figures(page: str, text: str) -> str:
    """The page with another text between its markers. Raises ValueError without them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no place for figures")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def write_plots(results: Results, folder: Path) -> None:
    """The pictures of one run, beside its JSON file."""
    for name, text in plots(results).items():
        (folder / name).write_text(text, encoding="utf-8")
