from __future__ import annotations

from appliance.profile.document import Document, Source, Spot, dotted, lines_of, walk

SPOT = Spot(Source("f"), 1, 1, 1, 1, 1, 1)
DOCUMENT = Document({"a": [{"b": 1}], "c": None}, {(): SPOT, ("a",): SPOT._replace(line=2)})


def test_lines_are_counted_as_yaml_counts_them() -> None:
    assert lines_of("a\nb\r\nc\rd\u2028e\x0bf") == ("a", "b", "c", "d", "e\x0bf")


def test_values_by_path() -> None:
    assert DOCUMENT.at(("a", 0, "b")) == 1
    assert DOCUMENT.at(("a", 1)) is None
    assert DOCUMENT.at(("c", "d")) is None


def test_the_nearest_place_above() -> None:
    assert DOCUMENT.nearest(("a", 0, "b")) == (("a",), DOCUMENT.spots["a",])
    assert DOCUMENT.nearest(("x", "y")) == ((), SPOT)


def test_walking_goes_parents_first() -> None:
    assert [dotted(path) for path, _ in walk(DOCUMENT.tree)] == ["", "a", "a.0", "a.0.b", "c"]
