"""Types of values in TypeScript."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.management.clients.typescript import files, written
from appliance.management.descriptions.openapi import document
from tests.unit.management.descriptions.rows import ROWS


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string"}, "string"),
        ({"type": "integer", "format": "int64"}, "number"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"anyOf": [{"$ref": "#/components/schemas/Part"}, {"type": "null"}]}, "models.Part | null"),
        ({"allOf": [{"$ref": "#/components/schemas/Part"}]}, "models.Part"),
        ({"enum": ["a", 'b"'], "type": "string"}, '"a" | "b\\""'),
        ({"const": 1}, "1"),
        ({"type": "array", "items": {"type": ["string", "null"]}}, "(string | null)[]"),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}, "[number, string]"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "{ [name: string]: boolean }"),
        ({"type": "object", "additionalProperties": True}, "{ [name: string]: unknown }"),
        ({"anyOf": [{}, {"type": "null"}]}, "unknown"),
        (True, "unknown"),
    ],
)
def test_a_type(schema: Any, text: str) -> None:
    assert written(schema) == text


def test_methods_for_values_pages_streams_and_nothing() -> None:
    made = files(document(ROWS, "1.2", {}))
    assert "  pair?: [number, string];" in made["src/models.ts"]
    client = made["src/client.ts"]
    assert "things(given: { after?: string; limit?: number } = {}): Promise<models.Things> {" in client
    assert "async *thingsAll(given: { limit?: number } = {}): AsyncGenerator<models.Thing> {" in client
    assert "thingsFollow(given: { after?: string; limit?: number } = {}): AsyncGenerator<Event<models.Thing>> {" in client
    assert "thingsRemove(given: { name: string }): Promise<void> {" in client
    assert "`/api/v1/things/${part(given.name)}`" in client
