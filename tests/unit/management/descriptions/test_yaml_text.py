from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from appliance.management.descriptions.yaml_text import yaml_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["C", "Z"]), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab: #-?'", max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_a_foreign_reader_reads_the_same(value: Any) -> None:
    assert YAML(typ="safe", pure=True).load(yaml_text(value)) == value


@pytest.mark.parametrize("word", ["yes", "No", "null", "2026-01-01", "1_000", "~", "a: b", "#a", "", " a", "on"])
def test_words_stay_words(word: str) -> None:
    assert YAML(typ="safe", pure=True).load(yaml_text({word: [word]})) == {word: [word]}


def test_people_can_read_it() -> None:
    assert yaml_text({"a": {"b": [1, {"c": "word"}], "d": {}}}) == "a:\n  b:\n    - 1\n    -\n      c: word\n  d: {}\n"
