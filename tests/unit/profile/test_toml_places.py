"""The locator against the standard library's parser: every value it parses has a place, and the text there is that value."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.profile.document import walk
from appliance.profile.toml_places import places

EVERYTHING = '''\
# comment with [brackets] and = signs
title = "TOML" # after a value
"quoted key" = 'lit#eral'
dotted . "a.b" . c = 0x1F
multi = """
a "quoted" ] } text \\"""
"""
multi-literal = \'\'\'it's ''fine\'\'\'
array = [ 1, 2, # comment, with comma
  [ "x,]", 'y' ], { k = 1, l.m = [true] },
]
when = 1979-05-27 07:32:00
float = -inf
[table] # comment
x = 1
[table."sub.table"]
y = []
[[rows]]
name = "one"
[rows.inner]
z = {}
[[rows]]
name = "two"
[[rows.more]]
deep = ""
[[rows.more]]
deep = """"q""""
'''


def test_every_value_has_its_place() -> None:
    check(EVERYTHING)


def test_windows_line_ends_do_not_matter() -> None:
    assert dict(places(EVERYTHING.replace("\n", "\r\n"))) == dict(places(EVERYTHING))


def test_places_by_hand() -> None:
    found = dict(places('a . "b.c" = [1, {d = 2}]\n[[t]]\nx=1\n[[t]]\n  x  =  "yy" # c\n'))
    assert found["a", "b.c"] == (1, 13, 12, 1, 1, 9)
    assert found["a", "b.c", 1, "d"] == (1, 22, 1, 1, 18, 1)
    assert found["t", 1] == (4, 1, 5, 4, 1, 5)
    assert found["t", 1, "x"] == (5, 9, 4, 5, 3, 1)


def check(text: str) -> None:
    lines = text.split("\n")
    found = dict(places(text))
    for path, value in walk(tomllib.loads(text)):
        if isinstance(value, dict | list):
            continue
        line, column, width, *_ = found[path]
        written = lines[line - 1][column - 1 : column - 1 + width]
        if (isinstance(value, str) and not written.startswith(('"""', "'''"))) or not isinstance(value, str):
            assert tomllib.loads(f"v = {written}") == {"v": value}


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=6)
SCALARS = (
    st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
)
TREES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12)


@given(st.dictionaries(KEYS, TREES, max_size=4))
def test_whatever_is_written(tree: dict[str, Any]) -> None:
    text = "".join(f"{quoted(key)} = {written(value)}\n" for key, value in tree.items())
    assert tomllib.loads(text) == tree
    check(text)
    assert {path for path, _ in walk(tree)} - {()} == set(dict(places(text)))


def written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {written(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list):
        return "[ " + " ,\n # ] }\n".join(map(written, value)) + " ]"
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(value) if isinstance(value, str) else str(value)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.mark.parametrize("text", ["", "\n\n# only\n", "a=1"])
def test_edges(text: str) -> None:
    check(text)
