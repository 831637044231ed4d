from __future__ import annotations

from typing import Any

import pytest

from appliance.profile.document import Document, Source, lines_of
from appliance.profile.problems import LocatedProblem
from appliance.profile.yaml_reader import MAX_ALIASES, read_yaml


def read(text: str) -> tuple[Document | None, list[LocatedProblem]]:
    return read_yaml(text, Source("t.yaml", lines=lines_of(text)))


def tree(text: str) -> Any:
    document, problems = read(text)
    assert not problems
    assert document is not None
    return document.tree


def only_problem(text: str) -> LocatedProblem:
    _, problems = read(text)
    assert len(problems) == 1, problems
    return problems[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("Off", "Off"),
        ("22:22", "22:22"),
        ("2001-01-01", "2001-01-01"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("12", 12),
        ("-7", -7),
        ("0", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("1.5", 1.5),
        (".5e1", 5.0),
        ("-.inf", float("-inf")),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("10.8.0.1/24", "10.8.0.1/24"),
        ("fd00:8::1/64", "fd00:8::1/64"),
    ],
)
def test_scalars_after_the_core_schema(text: str, value: object) -> None:
    assert tree(f"k: {text}") == {"k": value}
    assert type(tree(f"k: {text}")["k"]) is type(value)


def test_keys_are_text_whatever_they_look_like() -> None:
    assert tree("1: a\nyes: b\nnull: c\n010: d") == {"1": "a", "yes": "b", "null": "c", "010": "d"}


def test_each_key_and_value_has_its_place() -> None:
    document, _ = read("a:\n  - b: 'x y'\n    cc: [1,  22]\n")
    assert document is not None
    assert {path: spot[1:7] for path, spot in document.spots.items() if path != ()} == {
        ("a",): (2, 3, 1, 1, 1, 1),
        ("a", 0): (2, 5, 1, 2, 5, 1),
        ("a", 0, "b"): (2, 8, 5, 2, 5, 1),
        ("a", 0, "cc"): (3, 9, 1, 3, 5, 2),
        ("a", 0, "cc", 0): (3, 10, 1, 3, 10, 1),
        ("a", 0, "cc", 1): (3, 14, 2, 3, 14, 2),
    }
    assert document.spots["a", 0, "cc", 0].plain
    assert not document.spots["a", 0, "b"].plain


def test_an_alias_repeats_value_and_place() -> None:
    document, _ = read("a: &x [1, 2]\nb: *x\n")
    assert document is not None
    assert document.tree == {"a": [1, 2], "b": [1, 2]}
    assert document.spots["b", 1].line == 1


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("a: 1\nb: 2\na: 3", (3, 1), "duplicate key 'a', first given in line 1"),
        ("a: 010", (1, 4), "leading zero"),
        ("a: -007", (1, 4), "leading zero"),
        ("<<: {a: 1}", (1, 1), "no merge key"),
        ("? [a]\n: b", (1, 3), "a key is a word"),
        ("a: !!python/name:os.system x", (1, 4), "the tag"),
        ("a: !!int '3'", (1, 4), "the tag"),
        ("a: !!set {b}", (1, 4), "the tag"),
        ("a: 1\n---\nb: 1", (2, 1), "a second document"),
        ("%YAML 1.1\n---\na: 1", (2, 1), "another version of YAML"),
        ("a: *b", (1, 4), "*b has no anchor"),
        ("a: &a [*a]", (1, 8), "*a has no anchor"),
        ("a:\n\tb: 1", (2, 1), "not YAML"),
        ("a: [1, 2", (1, 9), "not YAML"),
        ("a: b: c", (1, 5), "not YAML"),
        ("a: \x07", (1, 4), "control character U+0007"),
        ('a: "\\U11111111"', (1, 1), "not YAML"),
        (f"a: 1{'0' * 5000}", (1, 4), "too large"),
        (f"a: 0x{'f' * 5000}", (1, 4), "too large"),
        (f"a: {2**63}", (1, 4), "too large"),
        (r'a: "\ud800"', (1, 4), "half a character"),
    ],
)
def test_refused(text: str, place: tuple[int, int], told: str) -> None:
    problem = only_problem(text)
    assert told in problem.message
    assert (problem.line, problem.col) == place


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a:\n\tb: 1", "indent with spaces"),
        ("a: [udp://[::]:1]", "is quoted"),
        ("a: b: c", "lack its quotes"),
    ],
)
def test_hints(text: str, hint: str) -> None:
    assert hint in only_problem(text).hint


def test_deep_nesting_is_refused_without_recursion() -> None:
    assert "nested deeper" in only_problem("a: " + "[" * 5000).message


def test_aliases_cannot_nest_deeper_than_text() -> None:
    text = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 60))
    assert "nested deeper" in only_problem(text).message


def test_a_billion_laughs_are_not_laughed() -> None:
    text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    text += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    assert "too many values" in only_problem(text).message


def test_many_aliases_are_refused() -> None:
    text = "a: &a 1\nb: [" + ", ".join(["*a"] * (MAX_ALIASES + 1)) + "]"
    assert "aliases" in only_problem(text).message


def test_several_problems_are_told_at_once() -> None:
    _, problems = read("a: 010\na: 1\nb: !x 1\n")
    assert [problem.line for problem in problems] == [1, 2, 3]


def test_without_libyaml_all_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a:\n  - b: 'x y'\n    no: [1,  22:22]\n"
    with_it = read(text)
    monkeypatch.setattr("appliance.profile.yaml_quick.CParser", None)
    assert read(text) == with_it
