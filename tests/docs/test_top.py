"""The picture of `appliance top` is drawn from the application as it is."""

from __future__ import annotations

import re
import runpy
from html import unescape
from typing import Final

import pytest

from appliance.cli.top.views import VIEWS
from tests.docs.markdown import ROOT

SHOWN: Final = unescape(" ".join(re.findall(r"<text[^>]*>([^<]*)</text>", (ROOT / "docs/top.svg").read_text()))).replace(
    "\xa0", " "
)


def test_it_shows_the_views_and_columns_there_are() -> None:
    for view in VIEWS:
        assert f"{view.key} {view.name}" in re.sub(" +", " ", SHOWN), "draw it again, as docs/top.py says"
    assert all(column.title in SHOWN for column in VIEWS[0].columns), "draw it again, as docs/top.py says"


async def test_it_can_be_drawn_again() -> None:
    pytest.importorskip("textual")
    picture = await runpy.run_path(str(ROOT / "docs/top.py"))["drawn"]()
    assert "berlin" in picture
    assert "https://cdn" not in picture, "who reads the page fetches nothing from elsewhere"
