from __future__ import annotations

import pytest

from appliance.profile.document import Document, Source, lines_of
from appliance.profile.problems import LocatedProblem
from appliance.profile.toml_reader import read_toml


def read(text: str) -> tuple[Document | None, list[LocatedProblem]]:
    return read_toml(text, Source("t.toml", lines=lines_of(text)))


def test_values_and_places() -> None:
    document, problems = read('a = 1\n[b]\nc.d = "x"\n')
    assert not problems
    assert document is not None
    assert document.tree == {"a": 1, "b": {"c": {"d": "x"}}}
    assert document.spots["b", "c", "d"][1:7] == (3, 7, 3, 3, 1, 3)
    assert document.spots["b", "c"].line == 3
    assert document.spots[()].line == 1


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("a = 1\na = 2", (2, 1), "given twice"),
        ("[a]\n  [a]", (2, 3), "given twice"),
        ("a: 1", (1, 2), "expected '='"),
        ("a = b", (1, 5), "invalid value"),
        ('a = "x', (1, 7), "unterminated string"),
        ("a = [1,", (1, 8), "not TOML"),
        ("a = 1979-05-27", (1, 5), "a date or time"),
        (f"a = 1{'0' * 5000}", (1, 1), "Exceeds the limit"),
        (f"a = [0, 0x{'f' * 5000}]", (1, 9), "too large"),
        (f"a = {-(2**63) - 1}", (1, 5), "too large"),
        ("a = " + "[" * 3000, (1, 1), "nested deeper"),
        ("a = " + "[" * 40 + "]" * 40, (1, 1), "nested deeper"),
    ],
)
def test_refused(text: str, place: tuple[int, int], told: str) -> None:
    _, problems = read(text)
    assert len(problems) == 1
    assert told in problems[0].message
    assert (problems[0].line, problems[0].col) == place


@pytest.mark.parametrize(("text", "hint"), [("a: 1", "the colon is YAML's"), ("a = b", "in quotes")])
def test_hints(text: str, hint: str) -> None:
    assert hint in read(text)[1][0].hint
