"""OpenAPI 3.0.3 from OpenAPI 3.1, for generators that know no other.

3.1 has JSON Schema 2020-12; 3.0 a dialect of its own (OpenAPI 3.0.3, "Schema Object"): null is a flag beside the type, what
stands beside a reference is ignored, limits that are excluded are flags, and there is neither `const` nor a list of examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

VERSION: Final = "3.0.3"
_UNKNOWN: Final = {
    "$comment", "$defs", "$id", "$schema", "contains", "contentEncoding", "contentMediaType", "dependentRequired",
    "dependentSchemas", "else", "if", "patternProperties", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
}  # fmt: skip
"""Keywords that 3.0 does not have, and that only say more than is needed to understand a value."""


def older(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same description in 3.0.3."""
    license_ = {key: value for key, value in document["info"]["license"].items() if key != "identifier"}
    made: dict[str, Any] = _walked({**document, "info": {**document["info"], "license": license_}, "openapi": VERSION})
    return made


def _walked(value: Any) -> Any:
    """Schemas stand under `schema`, and under `schemas` by name; the rest is the same in both."""
    if isinstance(value, list):
        return [_walked(each) for each in value]
    if not isinstance(value, dict):
        return value
    walked = {}
    for key, inner in value.items():
        if key in {"schema", "x-item"}:
            walked[key] = schema_3_0(inner)
        elif key == "schemas":
            walked[key] = {name: schema_3_0(one) for name, one in inner.items()}
        elif key in {"example", "examples"}:
            walked[key] = inner
        else:
            walked[key] = _walked(inner)
    return walked


def schema_3_0(schema: Any) -> Any:
    """One schema, with what is in it."""
    if not isinstance(schema, dict):
        return {} if schema is True else {"not": {}} if schema is False else schema
    if "$ref" in schema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        reference = {"$ref": schema["$ref"]}
        return {"allOf": [reference], **schema_3_0(beside)} if beside else reference
    found = {key: value for key, value in schema.items() if key not in _UNKNOWN}
    for change in (_without_null, _one_value, _limits, _tuple, _one_example):
        found = change(found)
    return {key: _inner(key, value) for key, value in found.items()}


def _inner(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: schema_3_0(one) for name, one in value.items()}
    if key in {"allOf", "anyOf", "oneOf"}:
        return [schema_3_0(each) for each in value]
    if key in {"items", "not"} or (key == "additionalProperties" and isinstance(value, dict)):
        return schema_3_0(value)
    return value


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """`nullable` for the type null, wherever it stands."""
    kinds = schema.get("type")
    if kinds == "null":
        return {**_without(schema, "type"), "nullable": True, "enum": [None]}
    if isinstance(kinds, list):
        known = [kind for kind in kinds if kind != "null"]
        told = {"type": known[0]} if len(known) == 1 else {"anyOf": [{"type": kind} for kind in known]}
        return {**_without(schema, "type"), **told, **({"nullable": True} if "null" in kinds else {})}
    for choice in ("anyOf", "oneOf"):
        options = schema.get(choice, [])
        known = [each for each in options if each != {"type": "null"}]
        if len(known) < len(options):
            return {**_without(schema, choice), **_nullable(choice, known)}
    return schema


def _nullable(choice: str, known: list[Any]) -> dict[str, Any]:
    """A reference that may be null is written as generators know it: `allOf` with the flag beside it."""
    if len(known) == 1 and "$ref" not in known[0]:
        return {**_without_null(known[0]), "nullable": True}
    if len(known) == 1:
        return {"nullable": True, "allOf": known}
    return {"nullable": True, choice: known}


def _one_value(schema: dict[str, Any]) -> dict[str, Any]:
    return {**_without(schema, "const"), "enum": [schema["const"]]} if "const" in schema else schema


def _limits(schema: dict[str, Any]) -> dict[str, Any]:
    for excluded, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        value = schema.get(excluded)
        if value is not None and not isinstance(value, bool):
            schema = {**schema, limit: value, excluded: True}
    return schema


def _tuple(schema: dict[str, Any]) -> dict[str, Any]:
    """A list whose places have types: a list of any of these, of that length."""
    if "prefixItems" not in schema:
        return {**schema, "items": {}} if schema.get("type") == "array" and "items" not in schema else schema
    places = schema["prefixItems"]
    length = {"minItems": schema.get("minItems", 0), "maxItems": schema.get("maxItems", len(places))}
    return {**_without(schema, "prefixItems"), "items": {"anyOf": places}, **length}


def _one_example(schema: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(schema.get("examples"), list):
        return schema
    first = {"example": schema["examples"][0]} if schema["examples"] else {}
    return {**_without(schema, "examples"), **first}


def _without(schema: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != key}
