"""What holds for every row."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from appliance.management.operations.row import PUBLIC, AnsweredBy, Row, Verb
from appliance.management.operations.table import BY_NAME, ROWS


def test_names_and_places_are_given_once() -> None:
    assert len(BY_NAME) == len(ROWS)
    assert len({(row.verb, row.full_path) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_says_what_it_has_to(row: Row) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*", row.name)
    assert re.fullmatch(r"(/([a-z][a-z0-9-]*|\{[A-Za-z_]+\}))+", row.path)
    assert row.summary, row.summary[0].islower()
    assert not row.summary.endswith(".")
    assert row.verb is not Verb.GET or row.permission == PUBLIC or not row.permission.endswith(".change")
    assert set(row.in_path) <= set(row.arguments.model_fields), "what stands in the path is an argument"
    assert not row.fresh or not row.changes, "what changes something is done each time"


@pytest.mark.parametrize("row", [row for row in ROWS if row.example], ids=lambda row: row.name)
def test_an_example_is_what_the_operation_takes(row: Row) -> None:
    row.arguments.model_validate(row.example)


@pytest.mark.parametrize("row", [row for row in ROWS if row.listed_by], ids=lambda row: row.name)
def test_a_list_is_a_page(row: Row) -> None:
    assert {"items", "next"} <= set(row.result.model_fields)
    assert {"after", "limit"} <= set(row.arguments.model_fields)


def test_no_two_paths_mean_the_same() -> None:
    def fits(one: str, other: str) -> bool:
        ours, theirs = one.split("/"), other.split("/")
        return len(ours) == len(theirs) and all(
            a == b or (a.startswith("{") and b.startswith("{")) for a, b in zip(ours, theirs, strict=True)
        )

    assert not [(a.name, b.name) for a, b in combinations(ROWS, 2) if a.verb is b.verb and fits(a.full_path, b.full_path)]


def test_everything_is_answered_by_somebody() -> None:
    assert {row.answered_by for row in ROWS} <= set(AnsweredBy)
