"""JSON Schema as types of GraphQL (October 2021, section 3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLError,
    GraphQLField,
    GraphQLFloat,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLString,
    ValueNode,
    value_from_ast_untyped,
)

Schemas = Mapping[str, Mapping[str, Any]]
_NAME: Final = re.compile(r"[A-Za-z][_0-9A-Za-z]*")
_OTHER: Final = re.compile(r"[^_0-9A-Za-z]+")


def _long(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise GraphQLError("a Long is an integer of 64 bits")
    return value


def _long_of(node: ValueNode, _variables: Any = None) -> int:
    return _long(value_from_ast_untyped(node))


JSON: Final = GraphQLScalarType("JSON", description="Any value of JSON.")
LONG: Final = GraphQLScalarType(
    "Long", description="An integer of 64 bits.", serialize=_long, parse_value=_long, parse_literal=_long_of
)
_SCALARS: Final = {"string": GraphQLString, "integer": LONG, "number": GraphQLFloat, "boolean": GraphQLBoolean}


class Types:
    """Types of answers and arguments. `schemas` are those that `$ref` means, by name."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._made: dict[str, Any] = {}

    def of_answer(self, schema: Mapping[str, Any]) -> Any:
        """The type of what an operation answers, or of a part of it. All may be null."""
        if "$ref" in schema:
            return self._named(str(schema["$ref"]).rpartition("/")[2])
        if (only := _only(schema)) is not None:
            return self.of_answer(only)
        kind = schema.get("type")
        if kind == "array":
            return GraphQLList(self.of_answer(schema.get("items", {})))
        return _SCALARS.get(str(kind), JSON)

    def of_argument(self, schema: Mapping[str, Any], *, needed: bool) -> GraphQLArgument:
        """An argument. What is no scalar and no list of them is JSON."""
        kind = self._of_input(schema)
        return GraphQLArgument(GraphQLNonNull(kind) if needed else kind, description=schema.get("description"))

    def _of_input(self, schema: Mapping[str, Any]) -> Any:
        if "$ref" in schema:
            schema = self._schemas[str(schema["$ref"]).rpartition("/")[2]]
        if (only := _only(schema)) is not None:
            return self._of_input(only)
        if schema.get("type") == "array":
            return GraphQLList(GraphQLNonNull(self._of_input(schema.get("items", {}))))
        return _SCALARS.get(str(schema.get("type")), JSON)

    def _named(self, name: str) -> Any:
        if name not in self._made:
            schema = self._schemas[name]
            properties = schema.get("properties", {})
            if schema.get("type") != "object" or not properties:
                self._made[name] = JSON  # for one that means itself
                self._made[name] = JSON if schema.get("type") == "object" else self.of_answer(schema)
            else:
                self._made[name] = GraphQLObjectType(
                    _word(name), lambda: self._fields(properties), description=_first(schema.get("description"))
                )
        return self._made[name]

    def _fields(self, properties: Mapping[str, Mapping[str, Any]]) -> dict[str, GraphQLField]:
        return {
            _word(key): GraphQLField(
                self.of_answer(schema),
                description=schema.get("description"),
                resolve=lambda value, _info, key=key: value.get(key),
            )
            for key, schema in properties.items()
        }


def camel_case(operation: str) -> str:
    """The name of an operation as a field: "users.list" is usersList."""
    first, *rest = re.split(r"[._-]", operation)
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _word(name: str) -> str:
    if _NAME.fullmatch(name):
        return name
    word = _OTHER.sub("_", name).strip("_")
    return word if _NAME.fullmatch(word) else f"x_{word}"


def _only(schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a schema is besides null, if that is one thing."""
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            others: list[Mapping[str, Any]] = [each for each in schema[key] if each.get("type") != "null"]
            return others[0] if len(others) == 1 else {"type": "any"}
    return None


def _first(text: object) -> str | None:
    return text.partition("\n\n")[0] if isinstance(text, str) else None
