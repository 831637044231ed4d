from __future__ import annotations

from pathlib import Path

import pytest

from tests.perf.bench.contenders import ALL
from tests.perf.bench.plots import DESCRIPTIONS, plots
from tests.perf.bench.publishing import BEGIN, END, baseline, generated, with_figures
from tests.perf.bench.results import Results, load
from tests.perf.bench.tables import tables

ROOT = Path(__file__).parents[3]


def test_only_what_is_between_the_markers_changes() -> None:
    assert with_figures(f"before\n{BEGIN}\nold\n{END}\nafter\n", "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    with pytest.raises(ValueError, match="no place"):
        with_figures("no markers", "new")


def test_the_page_and_its_pictures_are_those_of_the_baseline() -> None:
    for path, text in generated(load(baseline(ROOT)), ROOT).items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: make bench args=--publish"


def test_every_picture_is_shown() -> None:
    kept = {path.name for path in (ROOT / "docs/plots").iterdir()}
    assert kept == set(plots(load(baseline(ROOT)))) <= set(DESCRIPTIONS)


def test_both_transports_are_published_side_by_side() -> None:
    results = load(baseline(ROOT))
    for figure in ("throughput", "packets-64", "idle-p50", "loaded-p99", "cpu"):
        assert {"udp", "tcp"} <= set(results.contenders(figure)), figure
    assert "| udp × wireguard-go | tcp × wireguard-go |" in (ROOT / "docs/performance.md").read_text(encoding="utf-8")


def test_a_run_with_one_figure_can_be_told_and_drawn() -> None:
    found = Results({"date": "now"})
    for name in ALL:
        found.add("throughput", name, 1, 2.0)
    assert "| udp mtu 9000 | 2.00 | 1.00 | 1.00 |" in tables(found)
    assert list(plots(found)) == ["throughput.svg"]
