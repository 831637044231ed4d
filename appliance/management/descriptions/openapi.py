"""The table as OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from appliance.management.operations.row import PUBLIC, Arguments, Nothing, Row

REFERENCE: Final = "#/components/schemas/{model}"
PROBLEM: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "hint", "retryable", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "For programs; docs/troubleshooting.md has a section for each."},
        "detail": {"type": "string"},
        "hint": {"type": "string", "description": "What to do."},
        "retryable": {"type": "boolean", "description": "The same request may succeed later."},
        "instance": {"type": "string", "format": "uri", "description": "The request, by its id."},
    },
}
MAY_ALWAYS: Final = (400, 422, 429, 500, 503, 504)
"""Statuses with which any operation may end."""


def document(rows: Sequence[Row], version: str) -> dict[str, Any]:
    """OpenAPI 3.1.1 of these rows."""
    models = _models(rows)
    _, schemas = models_json_schema([(model, _mode(model)) for model in models], ref_template=REFERENCE)
    paths: dict[str, Any] = {}
    for row in rows:
        paths.setdefault(row.full_path, {})[row.verb.lower()] = _operation(row)
    return {
        "openapi": "3.1.1",
        "info": {"title": "Appliance management", "version": version, "license": {"name": "MIT", "identifier": "MIT"}},
        "security": [{"bearer": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(row.tag for row in rows)],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {**schemas.get("$defs", {}), "Problem": PROBLEM},
        },
    }


def _models(rows: Iterable[Row]) -> list[type[BaseModel]]:
    return list(dict.fromkeys(model for row in rows for model in (row.arguments, row.result) if model is not Nothing))


def _mode(model: type[BaseModel]) -> Any:
    return "validation" if issubclass(model, Arguments) else "serialization"


def _operation(row: Row) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": row.name.replace(".", "_"),
        "summary": row.summary,
        "tags": [row.tag],
        "responses": _responses(row),
    }
    if row.about:
        told["description"] = row.about
    if parameters := _parameters(row):
        told["parameters"] = parameters
    if row.verb.has_body and row.arguments is not Nothing:
        told["requestBody"] = {"content": {"application/json": {"schema": _body(row)}}, "required": _needs_body(row)}
    if row.permission == PUBLIC:
        told["security"] = []
    else:
        told["x-permission"] = row.permission
    return told


def _parameters(row: Row) -> list[dict[str, Any]]:
    schema = row.arguments.model_json_schema(ref_template=REFERENCE)
    found = []
    for name, one in schema.get("properties", {}).items():
        where = "path" if name in row.in_path else "query"
        if where == "query" and row.verb.has_body:
            continue
        described = {key: value for key, value in one.items() if key not in {"title", "description"}}
        parameter = {"name": name, "in": where, "required": name in schema.get("required", []), "schema": described}
        found.append(parameter | ({"description": one["description"]} if "description" in one else {}))
    return found


def _body(row: Row) -> dict[str, Any]:
    """The model, without what stands in the path."""
    if not row.in_path:
        return {"$ref": REFERENCE.format(model=row.arguments.__name__)}
    schema = row.arguments.model_json_schema(ref_template=REFERENCE)
    return schema | {
        "properties": {name: one for name, one in schema["properties"].items() if name not in row.in_path},
        "required": [name for name in schema.get("required", []) if name not in row.in_path],
    }


def _needs_body(row: Row) -> bool:
    return any(field.is_required() for name, field in row.arguments.model_fields.items() if name not in row.in_path)


def _responses(row: Row) -> dict[str, Any]:
    kind = "text/event-stream" if row.stream else "application/json"
    good = {"description": "It went well.", "content": {kind: {"schema": {"$ref": REFERENCE.format(model=row.result.__name__)}}}}
    bad = {
        "description": "It did not.",
        "content": {"application/problem+json": {"schema": {"$ref": REFERENCE.format(model="Problem")}}},
    }
    known = () if row.permission == PUBLIC else (401, 403)
    return {str(row.success): good} | {str(status): bad for status in sorted({*MAY_ALWAYS, *known, *row.fails})}
