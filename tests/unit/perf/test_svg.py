from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from tests.perf.bench.svg import Bar, Panel, bars, lines, spread

SPACE = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(picture).iter(f"{SPACE}text")]


def test_a_bar_has_its_name_and_value_in_words() -> None:
    picture = bars("Speed <fast>", [Panel("Gbit/s", [Bar("wire & cable", 8.0, 0, "8 Gbit/s"), Bar("ours", 2.0, 2, "2 Gbit/s")])])
    assert texts(picture) == ["Speed <fast>", "Gbit/s", "wire & cable", "8 Gbit/s", "ours", "2 Gbit/s"]
    wire, ours = (float(e.get("width", 0)) for e in ET.fromstring(picture).iter(f"{SPACE}rect") if e.get("class") != "back")
    assert abs(wire / ours - 4) < 0.01


def test_nothing_sticks_out() -> None:
    picture = bars("A", [Panel("p", [Bar("n" * 30, 5.0, 0, "5 of something")])])
    (bar,) = (e for e in ET.fromstring(picture).iter(f"{SPACE}rect") if e.get("class") != "back")
    assert float(bar.get("x", 0)) + float(bar.get("width", 0)) < 720 - 100


def test_bars_of_nothing_can_be_drawn() -> None:
    assert "0 s" in bars("A", [Panel("p", [Bar("none", 0.0, 0, "0 s")])])


def test_a_line_skips_what_is_not_known() -> None:
    picture = lines("Loss", "Gbit/s", ["0 %", "1 %", "3 %"], {"udp": [1.0, None, 0.1], "tcp": [2.0, 1.0, 0.5]}, "lost")
    points = [e.get("points", "") for e in ET.fromstring(picture).iter(f"{SPACE}polyline")]
    assert [len(each.split()) for each in points] == [2, 3]
    assert {"udp", "tcp", "0.1", "10"} <= set(texts(picture))


def test_labels_do_not_lie_on_each_other() -> None:
    assert spread([(30.0, "c"), (10.0, "a"), (12.0, "b")], 15) == [(10.0, "a"), (25.0, "b"), (40.0, "c")]


def test_colours_follow_the_page() -> None:
    picture = bars("A", [Panel("p", [Bar("n", 1.0, 3, "1")])])
    light, dark = picture.split("@media (prefers-color-scheme:dark)")
    for name in ("back", "ink", "f3", "grid"):
        assert re.search(rf"\.{name}{{", light)
        assert re.search(rf"\.{name}{{", dark)
