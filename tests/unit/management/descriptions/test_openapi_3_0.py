"""What generators of the older version read, judged by a foreign validator."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from appliance.management.descriptions.openapi import document
from appliance.management.descriptions.openapi_3_0 import older, schema_3_0
from tests.unit.management.descriptions.rows import ROWS

TEXT = {"type": "string"}
NULL = {"type": "null"}
THING = {"$ref": "#/components/schemas/Thing"}


def test_it_is_openapi_3_0() -> None:
    made = older(document(ROWS, "1.2", {}))
    assert made["openapi"] == "3.0.3"
    assert made["info"]["license"] == {"name": "MIT"}
    assert not list(OpenAPIV30SpecValidator(made).iter_errors())


@pytest.mark.parametrize(
    ("newer", "made"),
    [
        ({"anyOf": [TEXT, NULL]}, {"type": "string", "nullable": True}),
        ({"anyOf": [THING, NULL], "default": None}, {"allOf": [THING], "nullable": True, "default": None}),
        ({"anyOf": [TEXT, THING, NULL]}, {"anyOf": [TEXT, THING], "nullable": True}),
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"type": ["string", "integer"]}, {"anyOf": [TEXT, {"type": "integer"}]}),
        (NULL, {"nullable": True, "enum": [None]}),
        ({"const": 1}, {"enum": [1]}),
        ({"exclusiveMinimum": 0, "type": "number"}, {"minimum": 0, "exclusiveMinimum": True, "type": "number"}),
        ({"type": "array", "prefixItems": [TEXT, {"type": "integer"}], "minItems": 2, "maxItems": 2},
         {"type": "array", "items": {"anyOf": [TEXT, {"type": "integer"}]}, "minItems": 2, "maxItems": 2}),
        ({"type": "array"}, {"type": "array", "items": {}}),
        ({"examples": ["a", "b"], **TEXT}, {"example": "a", **TEXT}),
        ({**THING, "description": "more"}, {"allOf": [THING], "description": "more"}),
        ({"type": "object", "propertyNames": TEXT, "additionalProperties": {"const": 1}},
         {"type": "object", "additionalProperties": {"enum": [1]}}),
        ({"properties": {"const": {"const": 2}}}, {"properties": {"const": {"enum": [2]}}}),
        ({"items": True}, {"items": {}}),
    ],
)  # fmt: skip
def test_one_schema(newer: dict[str, Any], made: dict[str, Any]) -> None:
    assert schema_3_0(newer) == made
