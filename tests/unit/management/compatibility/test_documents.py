"""Changes of the table, as somebody's client would notice them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appliance.management.compatibility.change import Kind
from appliance.management.compatibility.documents import differences
from appliance.management.descriptions.openapi import document
from appliance.management.operations.row import PUBLIC, Result, Row, Verb
from appliance.management.operations.table import ROWS as TABLE
from tests.unit.management.descriptions.rows import ROWS, Change, Named, Part, Thing

CODES = {404: ["NotFound"]}


class Wanting(Change):
    """One argument more."""

    colour: str


class Colourful(Change):
    """One argument more, if somebody wants."""

    colour: str = "red"


class Bare(Result):
    """No kind."""

    name: str


def described(rows: Any, codes: dict[int, list[str]] = CODES) -> dict[str, Any]:
    return document(rows, "1.2", codes)


def changed(name: str, /, **how: Any) -> list[Row]:
    return [row._replace(**how) if row.name == name else row for row in ROWS]


def test_the_same_is_no_difference() -> None:
    assert differences(described(ROWS), described(ROWS)) == []
    assert differences(described(TABLE), described(TABLE)) == []


@pytest.mark.parametrize(
    ("rows", "where", "sentence"),
    [
        (ROWS[1:], "GET /api/v1/things", "is not there any more"),
        (changed("hello", verb=Verb.PUT), "POST /api/v1/hello", "is not there any more"),
        (changed("hello", name="greet"), "POST /api/v1/hello", "is called greet now, which is the name of methods in clients"),
        (changed("hello", permission="a.b"), "POST /api/v1/hello", "wants a.b now, and wanted nothing"),
        (changed("things", permission=PUBLIC), "GET /api/v1/things", "wants nothing now, and wanted things.read"),
        (changed("hello", success=200), "POST /api/v1/hello answer 201", "is not given any more"),
        (changed("things.change", arguments=Wanting), "PUT /api/v1/things/{name} body.colour", "is new, and required"),
        (changed("things.change", arguments=Named), "PUT /api/v1/things/{name} body", "is not taken any more"),
        (changed("things.change", result=Bare), "PUT /api/v1/things/{name} answer 200.kind", "is not told any more"),
        (changed("things.change", result=Part), "PUT /api/v1/things/{name} answer 200.name", "is not told any more"),
        (changed("things.follow", stream=False), "GET /api/v1/follow answer 200", "is not text/event-stream any more"),
        (changed("things.follow", result=Part), "GET /api/v1/follow answer 200.name", "is not told any more"),
    ],
)
def test_what_breaks_a_client(rows: list[Row], where: str, sentence: str) -> None:
    found = differences(described(ROWS), described(rows))
    assert (Kind.BREAKING, where, sentence) in found
    assert found[0].kind is Kind.BREAKING


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (described(ROWS[1:]), described(ROWS), "GET /api/v1/things"),
        (described(ROWS), described(changed("things.change", arguments=Colourful)), "PUT /api/v1/things/{name} body.colour"),
        (described(changed("things.change", result=Bare)), described(changed("things.change", result=Thing)),
         "PUT /api/v1/things/{name} answer 200.kind"),
        (described(ROWS), described(changed("hello", fails=(418,))), "POST /api/v1/hello answer 418"),
        (described(ROWS), described(ROWS, {404: ["NotFound", "Lost"]}), "problem Lost"),
    ],
)  # fmt: skip
def test_what_no_client_notices(old: dict[str, Any], new: dict[str, Any], where: str) -> None:
    found = differences(old, new)
    assert {change.kind for change in found} == {Kind.ADDITION}
    assert where in {change.where for change in found}


@pytest.mark.parametrize(("codes", "sentence"), [({}, "does not come any more"), ({410: ["NotFound"]}, "comes with")])
def test_codes_stay(codes: dict[int, list[str]], sentence: str) -> None:
    rows = changed("things", fails=(410,))
    found = differences(described(rows), described(rows, codes))
    assert [change.where for change in found] == ["problem NotFound"]
    assert found[0].kind is Kind.BREAKING
    assert found[0].sentence.startswith(sentence)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda parameter: parameter.update(required=True), "GET /api/v1/things argument limit"),
        (lambda parameter: parameter.update({"in": "header"}), "GET /api/v1/things argument limit"),
        (lambda parameter: parameter["schema"].update(maximum=5), "GET /api/v1/things argument limit"),
    ],
)
def test_arguments_in_the_query(change: Callable[[Any], None], where: str) -> None:
    new = described(ROWS)
    change(next(each for each in new["paths"]["/api/v1/things"]["get"]["parameters"] if each.get("name") == "limit"))
    assert differences(described(ROWS), new)[0][:2] == (Kind.BREAKING, where)


def test_a_body_that_becomes_required() -> None:
    old = described(ROWS)
    old["paths"]["/api/v1/things/{name}"]["put"]["requestBody"]["required"] = False
    assert differences(old, described(ROWS)) == [(Kind.BREAKING, "PUT /api/v1/things/{name} body", "is required now")]
