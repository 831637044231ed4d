"""The short form of the store's figures: they are there, and none is zero."""

from __future__ import annotations

from pathlib import Path

from tests.perf.store import one_round


async def test_each_figure_is_measured(tmp_path: Path) -> None:
    figures = await one_round(tmp_path, 0.02, None)
    assert len(figures) == 15
    assert all(figures.values())
