"""What a step expects is compared, never computed, and texts of an answer are not told."""

from __future__ import annotations

import pytest

from appliance.management.jobs.expecting import differs


@pytest.mark.parametrize(
    "answer", [{"ok": True, "n": 1, "more": 5}, {"ok": True, "n": 1.0}], ids=["may have more", "numbers are numbers"]
)
def test_as_expected(answer: object) -> None:
    assert differs({"ok": True, "n": 1}, answer) == ""


@pytest.mark.parametrize(
    ("expected", "answer", "words"),
    [
        ({"ok": True}, {"ok": False}, "answer.ok is false, expected true"),
        ({"ok": True}, {"ok": 1}, "answer.ok is 1, expected true"),
        ({"ok": True}, {}, "answer has no ok"),
        ({"ok": True}, None, "answer is null, expected a mapping"),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "answer.a.b is 2, expected 1"),
        ({"a": [1]}, {"a": [1, 2]}, "answer.a is a list, expected a list"),
        ({"a": "x"}, {"a": "hunter2"}, "answer.a is a text, expected a text"),
        ({"a": "x"}, {"a": ""}, "answer.a is an empty text, expected a text"),
    ],
)
def test_not_as_expected(expected: object, answer: object, words: str) -> None:
    assert differs(expected, answer) == words
