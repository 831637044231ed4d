"""Every model that the table has gets an example that fits it."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from appliance.management.descriptions.examples import example
from appliance.management.descriptions.models import models
from appliance.management.operations.row import Nothing, Row
from appliance.management.operations.table import ROWS
from tests.unit.management.descriptions import rows

KNOWN = models(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_fits(row: Row) -> None:
    row.result.model_validate(example(KNOWN.of(row.result), KNOWN.schemas))
    if row.arguments is not Nothing:
        row.arguments.model_validate(example(KNOWN.of(row.arguments), KNOWN.schemas))


def test_it_is_full_and_the_last_page() -> None:
    known = models(rows.ROWS)
    made = example(known.of(rows.Things), known.schemas)
    assert made["next"] == ""
    assert made["items"][0]["kind"] == "round"
    assert made["items"][0]["labels"] == {"name": "name"}


def test_a_model_within_itself_has_an_end() -> None:
    known = models(rows.ROWS)
    rows.Part.model_validate(example(known.of(rows.Part), known.schemas))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 30},
        {"type": "string", "maxLength": 2},
        {"type": "string", "pattern": "^[0-9]{1,15}$"},
        {"type": "string", "format": "date-time"},
        {"type": "integer", "minimum": 7},
        {"type": "integer", "maximum": -3},
        {"type": "number", "exclusiveMinimum": 0, "maximum": 100},
        {"type": "number", "exclusiveMaximum": 1},
        {"type": "array", "minItems": 3, "items": {"type": "integer"}},
        {"type": "array", "maxItems": 0},
        {"type": ["null", "string"]},
        {"anyOf": [{"type": "null"}, {"const": "a"}]},
        {"enum": ["b", "c"]},
        {"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, {"type": "object"}]},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "minItems": 2},
    ],
)
def test_one_schema(schema: dict[str, Any]) -> None:
    jsonschema.validate(example(schema, {}), schema)
