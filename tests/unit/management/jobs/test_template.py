"""What a template's file may have."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.unit.management.jobs.written import TRIAL, step, template


def test_its_operations_are_those_of_steps_and_undos_each_once() -> None:
    assert TRIAL.operations == ("reload", "rollback", "health", "confirm")


def test_spans_are_durations_or_names_of_parameters() -> None:
    spans = [template(step("health", pause=text)).steps[0].pause for text in ("250ms", 3, "${settle}")]
    assert spans == [0.25, 3.0, "${settle}"]


@pytest.mark.parametrize("pause", ["soon", "${Settle}", True, -1, "25h", "${a} ${b}"])
def test_nothing_else_is_a_span(pause: object) -> None:
    with pytest.raises(ValidationError):
        template(step("health", pause=pause))


def test_there_is_a_step_and_no_unknown_key() -> None:
    for wrong in ({"steps": []}, {"run": "rm -rf /"}, {"template": 2}, {"version": 0}, {"timeout": 0}):
        with pytest.raises(ValidationError):
            template(step("health"), **wrong)


def test_steps_and_parameters_are_bounded() -> None:
    with pytest.raises(ValidationError):
        template(*[step("health")] * 33)
    with pytest.raises(ValidationError):
        template(step("health"), parameters={f"p{n}": {"type": "text"} for n in range(33)})


def test_secrets_are_known_by_name() -> None:
    assert template(step("health"), parameters={"a": {"type": "text"}, "b": {"type": "text", "secret": True}}).secrets == ("b",)
