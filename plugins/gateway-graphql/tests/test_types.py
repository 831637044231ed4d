"""JSON Schema as types of GraphQL."""

from __future__ import annotations

import pytest
from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema, print_type, validate_schema

from appliance_gateway_graphql.types import Types, camel_case

SCHEMAS = {
    "Node": {
        "type": "object",
        "description": "A node.\n\nMore of it.",
        "properties": {
            "name": {"type": "string"},
            "rx-bytes": {"type": "integer"},
            "of": {"anyOf": [{"$ref": "#/components/schemas/Node"}, {"type": "null"}]},
            "peers": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
            "state": {"$ref": "#/components/schemas/State"},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "any": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "1st": {"type": "number"},
        },
    },
    "State": {"type": "string", "enum": ["up", "down"]},
}


def test_an_object_has_its_properties_and_may_have_itself() -> None:
    node = Types(SCHEMAS).of_answer({"$ref": "#/components/schemas/Node"})
    assert isinstance(node, GraphQLObjectType)
    assert not validate_schema(GraphQLSchema(GraphQLObjectType("Query", {"node": GraphQLField(node)})))
    assert print_type(node) == (
        '"""A node."""\ntype Node {\n  name: String\n  rx_bytes: Long\n  of: Node\n  peers: [Node]\n  state: String\n'
        "  labels: JSON\n  any: JSON\n  x_1st: Float\n}"
    )
    assert node.fields["rx_bytes"].resolve({"rx-bytes": 2**60}, None) == 2**60  # type: ignore[misc,arg-type]


def test_arguments_that_are_needed_may_not_be_null() -> None:
    types = Types(SCHEMAS)
    assert str(types.of_argument({"type": "integer"}, needed=True).type) == "Long!"
    assert (
        str(types.of_argument({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]}, needed=False).type)
        == "[String!]"
    )
    assert str(types.of_argument({"type": "object"}, needed=False).type) == "JSON"


@pytest.mark.parametrize(
    ("operation", "field"), [("status", "status"), ("users.list", "usersList"), ("debug_memory", "debugMemory"), ("a.b-c", "aBC")]
)
def test_operations_are_fields_in_camel_case(operation: str, field: str) -> None:
    assert camel_case(operation) == field
