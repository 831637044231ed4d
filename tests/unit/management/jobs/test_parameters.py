"""What is given for a template's parameters is judged before anything is begun."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.management.jobs.parameters import ParametersInvalid, values_of, wrong_pattern
from tests.unit.management.jobs.written import step, template


def given(value: Any, **parameter: Any) -> Any:
    return values_of(template(step("health"), parameters={"p": parameter}), {"p": value})["p"]


def test_defaults_stand_for_what_was_not_given() -> None:
    made = template(
        step("health"), parameters={"a": {"type": "number", "default": 3}, "b": {"type": "text"}, "c": {"type": "boolean"}}
    )
    assert values_of(made, {"c": False, "b": None}) == {"a": 3, "b": None, "c": False}


@pytest.mark.parametrize(
    ("value", "parameter"),
    [
        (0, {"type": "number", "minimum": 0, "maximum": 5}),
        (2.5, {"type": "number"}),
        ("laptop", {"type": "text", "pattern": "[a-z]+", "minimum": 2, "maximum": 6}),
        (False, {"type": "boolean"}),
        ("b", {"type": "choice", "choices": ["a", "b"]}),
    ],
)
def test_taken(value: Any, parameter: dict[str, Any]) -> None:
    assert given(value, **parameter) == value


@pytest.mark.parametrize(
    ("value", "parameter"),
    [
        (True, {"type": "number"}),
        ("3", {"type": "number"}),
        (float("nan"), {"type": "number"}),
        (10**400, {"type": "number"}),
        (6, {"type": "number", "maximum": 5}),
        (-1, {"type": "number", "minimum": 0}),
        (1, {"type": "boolean"}),
        ("yes", {"type": "boolean"}),
        ("c", {"type": "choice", "choices": ["a", "b"]}),
        (["a"], {"type": "choice", "choices": ["a", "b"]}),
        (5, {"type": "text"}),
        ("x" * 4097, {"type": "text"}),
        ("x", {"type": "text", "minimum": 2}),
        ("laptop\n", {"type": "text", "pattern": "[a-z]+"}),
        ("x laptop", {"type": "text", "pattern": "[a-z]+"}),
        ("ab", {"type": "text", "pattern": "a|c"}),
        ("\ud800", {"type": "text"}),
        (None, {"type": "text", "required": True}),
    ],
)
def test_refused(value: Any, parameter: dict[str, Any]) -> None:
    with pytest.raises(ParametersInvalid) as caught:
        given(value, **parameter)
    assert [problem.path for problem in caught.value.problems] == ["p"]


def test_all_that_is_wrong_is_told_at_once() -> None:
    made = template(step("health"), parameters={"a": {"type": "number"}, "b": {"type": "text", "required": True}})
    with pytest.raises(ParametersInvalid) as caught:
        values_of(made, {"a": "x", "\ud800": 1})
    document = caught.value.document()
    assert [problem["path"] for problem in document["arguments"]] == ["\\ud800", "a", "b"]


def test_nothing_is_said_of_a_secret() -> None:
    with pytest.raises(ParametersInvalid) as caught:
        given("hunter2", type="text", secret=True, pattern="[0-9]+")
    assert "hunter2" not in str(caught.value.document())


def test_a_pattern_takes_time_in_proportion_to_the_text() -> None:
    with pytest.raises(ParametersInvalid):
        given("a" * 4000 + "b", type="text", pattern="(a|aa)+")


@pytest.mark.parametrize("pattern", ["(", "(?=a)", "a)|(b", r"(a)\1", "(?x)a #"])
def test_no_regular_expression(pattern: str) -> None:
    assert wrong_pattern(pattern)


def test_a_regular_expression() -> None:
    assert not wrong_pattern("[a-z]+|[0-9]")
