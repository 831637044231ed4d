"""What is written in Go. Its compiler and gofmt judge it in tests/clients."""

from __future__ import annotations

import re
from typing import Any

import pytest

from appliance.management.clients.go import Types, files
from appliance.management.clients.shapes import shape
from appliance.management.descriptions.openapi import document
from appliance.management.operations.row import Arguments, Result, Row, Verb
from tests.unit.management.descriptions.rows import ROWS

DOCUMENT = document(ROWS, "1.2", {})


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string"}, "string"),
        ({"type": "integer", "format": "int64"}, "int64"),
        ({"type": ["string", "null"]}, "*string"),
        ({"anyOf": [{"$ref": "#/components/schemas/Part"}, {"type": "null"}]}, "*models.Part"),
        ({"type": "array", "items": {"type": ["string", "null"]}}, "[]*string"),
        ({"type": ["array", "null"], "items": {"type": "number"}}, "[]float64"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "map[string]bool"),
        ({"anyOf": [{"type": "number"}, {"type": "string"}]}, "any"),
    ],
)
def test_a_type(schema: Any, text: str) -> None:
    assert Types(DOCUMENT).written(shape(schema)) == text


def test_methods_for_values_pages_streams_and_nothing() -> None:
    made = files(DOCUMENT)["operations.go"]
    assert (
        "func (c *Client) Things(ctx context.Context, arguments ThingsArguments, options ...CallOption) (*models.Things, error) {"
        in made
    )
    assert (
        "func (c *Client) ThingsAll(ctx context.Context, arguments ThingsArguments, options ...CallOption) *Pages[models.Thing] {"
        in made
    )
    assert "func (c *Client) ThingsFollow(ctx context.Context, arguments ThingsFollowArguments) *Stream[models.Thing] {" in made
    assert (
        "func (c *Client) ThingsRemove(ctx context.Context, arguments ThingsRemoveArguments, options ...CallOption) error {"
        in made
    )
    assert 'path: "/api/v1/things/" + part(arguments.Name)' in made


class _Odd(Arguments):
    """Odd names."""

    type: int = 0
    Type: int = 0
    other_members: int = 0


class _Answer(Result):
    """Ends here */ // and `there`."""

    close: int
    Close: int


def test_names_that_are_taken_are_given_a_number() -> None:
    row = Row("close", "say it\nfunc init() {}", "Test", "a.b", Verb.POST, "/close", _Answer, _Odd)
    made = files(document([row], "1.2", {}))
    assert "func (c *Client) Close2(" in made["operations.go"]
    assert re.findall(r"^\t(\w+) \*int64$", made["operations.go"], re.MULTILINE) == ["Type", "Type2", "OtherMembers"]
    assert "\nfunc init" not in made["operations.go"]
    assert '\tClose int64 `json:"close"`' in made["models/models.go"]
    assert '\tClose2 int64 `json:"Close"`' in made["models/models.go"]


def test_members_that_no_tag_can_have_get_no_field() -> None:
    found = document(ROWS, "1.2", {})
    found["components"]["schemas"]["Thing"]["properties"] |= {'a"`b': {"type": "string"}, "-": {"type": "string"}}
    made = files(found)["models/models.go"]
    assert '"`b' not in made
    assert '"-,' not in made


def test_what_holds_itself_is_pointed_at() -> None:
    found = document(ROWS, "1.2", {})
    found["components"]["schemas"]["Thing"]["properties"]["inner"] = {"$ref": "#/components/schemas/Thing"}
    assert "\tInner *Thing `" in files(found)["models/models.go"]


def test_the_same_description_makes_the_same_files() -> None:
    assert files(document(ROWS, "1.2", {})) == files(document(ROWS, "1.2", {}))
