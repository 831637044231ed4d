"""The picture of the house is that of today's imports."""

from __future__ import annotations

import runpy

import pytest

from tests.docs.markdown import ROOT

DRAWN = runpy.run_path(str(ROOT / "docs/house.py"))


def test_it_is_drawn_from_the_code() -> None:
    assert (ROOT / "docs/house.svg").read_text() == DRAWN["picture"](), "draw it again: make docs"


def test_a_room_stands_above_all_that_it_imports() -> None:
    edges = {"roof": {"hall", "cellar"}, "hall": {"cellar"}, "cellar": set(), "shed": set()}
    assert DRAWN["floors"](edges) == [["cellar", "shed"], ["hall"], ["roof"]]
    assert DRAWN["needed"](edges)["roof"] == {"hall"}


def test_a_circle_is_no_house() -> None:
    with pytest.raises(ValueError, match="a circle among attic, stairs"):
        DRAWN["floors"]({"attic": {"stairs"}, "stairs": {"attic"}, "cellar": set()})
