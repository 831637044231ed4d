"""What is JSON of a caller, and what is none."""

from __future__ import annotations

import pytest

from appliance.management.operations.strict_json import MOST_DEPTH, NoJson, value_of


@pytest.mark.parametrize("text", ['{"a": [1, 2.5, "x", null, true]}', b"[]", "0", "[" * MOST_DEPTH + "]" * MOST_DEPTH])
def test_json(text: str | bytes) -> None:
    value_of(text)


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", "-Infinity", "1e999", "[-1e999]", b"\xff", "'a'", "9" * 10_000])
def test_what_is_none(text: str | bytes) -> None:
    with pytest.raises(NoJson, match="RFC 8259"):
        value_of(text)


@pytest.mark.parametrize("depth", [MOST_DEPTH + 1, 100, 500, 900, 990, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nothing_is_nested_without_end_however_deep(depth: int, opening: str, closing: str) -> None:
    with pytest.raises(NoJson):
        value_of(opening * depth + "1" + closing * depth)


@pytest.mark.parametrize("text", ['"\\ud800"', '{"\\udfff": 1}', b'"\xed\xa0\x80"', '["\\uDC00\\uD800"]'])
def test_half_a_character_is_none(text: str | bytes) -> None:
    with pytest.raises(NoJson, match="surrogate"):
        value_of(text)


def test_a_pair_is_a_character() -> None:
    assert value_of('"\\ud83d\\ude00 \\u00e9"') == value_of('"😀 é"'.encode()) == "😀 é"
