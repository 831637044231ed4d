"""What values look like, for languages without unions."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.management.clients.operations import operations
from appliance.management.clients.shapes import (
    Anything,
    Many,
    Model,
    Nullable,
    Scalar,
    Shape,
    Table,
    circular,
    endless,
    is_open,
    is_record,
    models_of,
    shape,
)
from appliance.management.descriptions.openapi import document
from tests.unit.management.descriptions.rows import ROWS

PART = {"$ref": "#/components/schemas/Part"}


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        ({"type": "string"}, Scalar("string")),
        ({"type": ["integer", "null"]}, Nullable(Scalar("integer"))),
        ({"anyOf": [PART, {"type": "null"}]}, Nullable(Model("Part"))),
        ({"anyOf": [{"type": ["string", "null"]}, {"type": "string"}]}, Nullable(Scalar("string"))),
        ({"anyOf": [{"type": "number"}, {"type": "string"}]}, Anything()),
        ({"anyOf": [{}, {"type": "null"}]}, Anything()),
        ({"allOf": [PART]}, Model("Part")),
        ({"enum": ["a", "b", None]}, Nullable(Scalar("string"))),
        ({"enum": ["a", 1]}, Anything()),
        ({"const": True}, Scalar("boolean")),
        ({"type": "array", "items": PART}, Many(Model("Part"))),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}, Many(Anything())),
        ({"type": "array"}, Many(Anything())),
        ({"type": "object", "additionalProperties": {"type": "number"}}, Table(Scalar("number"))),
        ({"type": "object", "properties": {"a": PART}, "additionalProperties": PART}, Table(Anything())),
        (True, Anything()),
    ],
)
def test_a_shape(schema: Any, found: Shape) -> None:
    assert shape(schema) == found


def test_records_have_names_and_open_ones_have_more() -> None:
    assert is_record({"properties": {"a": {}}})
    assert not is_record({"type": "object", "additionalProperties": True})
    assert is_open({"properties": {}})
    assert not is_open({"additionalProperties": False})


def test_models_are_those_that_somebody_gets_or_gives() -> None:
    found = document(ROWS, "1.2", {})
    names = models_of(found, operations(found))
    assert {"Thing", "Things", "Part"} <= set(names)
    assert names == sorted(names)


def holding(**models: Any) -> dict[str, Any]:
    schemas = {name: {"type": "object", "properties": {"held": held}} for name, held in models.items()}
    return {"components": {"schemas": schemas}}


def test_a_circle_is_only_what_cannot_end() -> None:
    a, b = {"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/B"}
    maybe = {"anyOf": [a, {"type": "null"}]}
    lists = {"type": "array", "items": a}
    assert circular(holding(A=b, B=a), ["A", "B"], through_null=False) == {"A", "B"}
    assert circular(holding(A=b, B=maybe), ["A", "B"], through_null=False) == frozenset()
    assert circular(holding(A=b, B=maybe), ["A", "B"], through_null=True) == {"A", "B"}
    assert circular(holding(A=b, B=lists), ["A", "B"], through_null=True) == frozenset()


def test_a_name_for_a_shape_that_has_the_same_name_within_is_endless() -> None:
    tree, leaf = {"$ref": "#/components/schemas/Tree"}, {"$ref": "#/components/schemas/Leaf"}
    schemas = {
        "Tree": {"type": "array", "items": leaf},
        "Leaf": {"anyOf": [tree, {"type": "null"}]},
        "Held": {"properties": {"a": tree}},
    }
    assert [name for name in schemas if endless(schemas, name)] == ["Tree", "Leaf"]
    assert not endless({"Tree": {"type": "array", "items": leaf}, "Leaf": {"properties": {"tree": tree}}}, "Tree")
