"""A value that fits a schema: always the same one, with plausible words where the schema says what a string is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_DEPTH: Final = 8
"""How deep optional values are filled in; a model may contain itself."""
_BY_FORMAT: Final = {
    "date-time": "2026-01-01T12:00:00Z",
    "date": "2026-01-01",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "uuid": "00000000-0000-4000-8000-000000000001",
    "uri": "urn:example",
    "email": "alice@example.org",
    "hostname": "node.example",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "ipv4network": "192.0.2.0/24",
    "ipv6network": "2001:db8::/64",
    "byte": "AA==",
    "base64url": "AA",
    "password": "correct horse battery",
}
_FITTING: Final = ("1", "a", "a1", "", "0102030405060708", "2026-01-01T12:00:00Z", "192.0.2.1")
"""For patterns; a model whose pattern fits none of these says an example of its own."""
_PROPERTIES: Final = {"next": ""}
"""Of a page: there is no other."""


def example(schema: Mapping[str, Any], known: Mapping[str, Any], name: str = "value", depth: int = 0) -> Any:
    """A value for `schema`; `known` are the schemas that references name by their last part. `name`: of the value."""
    if "$ref" in schema:
        return example(known[schema["$ref"].rpartition("/")[2]], known, name, depth + 1)
    for key in ("const", "default"):
        if key in schema and schema[key] is not None:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("examples"):
        return schema["examples"][0]
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return _chosen(schema[choice], known, name, depth)
    if "allOf" in schema:
        return _joined([example(each, known, name, depth + 1) for each in schema["allOf"]])
    return _of_kind(schema, known, name, depth)


def _chosen(options: list[Mapping[str, Any]], known: Mapping[str, Any], name: str, depth: int) -> Any:
    nullable = {"type": "null"} in options
    if nullable and depth > _DEPTH:
        return None
    return example(next((each for each in options if each != {"type": "null"}), {"type": "null"}), known, name, depth + 1)


def _joined(values: list[Any]) -> Any:
    if not all(isinstance(value, dict) for value in values):
        return values[0]
    return {key: value for each in values for key, value in each.items()}


def _of_kind(schema: Mapping[str, Any], known: Mapping[str, Any], name: str, depth: int) -> Any:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    match kind:
        case "object":
            return _object(schema, known, depth)
        case "array":
            return _list(schema, known, name, depth)
        case "string":
            return _string(schema, name)
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case "null":
            return None
    return {}


def _object(schema: Mapping[str, Any], known: Mapping[str, Any], depth: int) -> dict[str, Any]:
    required = set(schema.get("required", ()))
    properties = {
        name: _PROPERTIES[name] if name in _PROPERTIES and _is_text(one) else example(one, known, name, depth + 1)
        for name, one in schema.get("properties", {}).items()
        if name in required or depth < _DEPTH
    }
    more = schema.get("additionalProperties")
    if not properties and isinstance(more, Mapping):
        return {"name": example(more, known, "name", depth + 1)}
    return properties


def _is_text(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "string"


def _list(schema: Mapping[str, Any], known: Mapping[str, Any], name: str, depth: int) -> list[Any]:
    singular = name.removesuffix("s") or name
    if "prefixItems" in schema:
        return [example(each, known, singular, depth + 1) for each in schema["prefixItems"]]
    least = schema.get("minItems", 0)
    count = max(least, 0 if depth > _DEPTH or schema.get("maxItems") == 0 else 1)
    items = schema.get("items", {})
    return [example(items, known, singular, depth + 1)] * count


def _string(schema: Mapping[str, Any], name: str) -> str:
    secret = schema.get("format") == "password" and not schema.get("writeOnly")
    found = name if secret else _BY_FORMAT.get(schema.get("format", ""), name)
    if "pattern" in schema:
        found = next((each for each in (found, *_FITTING) if re.search(schema["pattern"], each)), found)
    found = found.ljust(schema.get("minLength", 0), "x")
    return found[: schema.get("maxLength", len(found))]


def _number(schema: Mapping[str, Any]) -> int | float:
    """1, or what is nearest to it within the limits."""
    found: int | float = 1
    if "maximum" in schema or "exclusiveMaximum" in schema:
        found = min(found, schema.get("maximum", found), schema.get("exclusiveMaximum", found + 1) - 1)
    if "minimum" in schema or "exclusiveMinimum" in schema:
        found = max(found, schema.get("minimum", found), schema.get("exclusiveMinimum", found - 1) + 1)
    return found
