"""The table as OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from appliance.management.descriptions.models import REFERENCE, Models, Schema, models
from appliance.management.descriptions.problem import PROBLEM, Codes, name_of, response, statuses_of
from appliance.management.operations.row import PUBLIC, Nothing, Row

ABOUT: Final = """\
Everything that the node of this host can be asked and told. docs/api-conventions.md has the rules that hold for all operations:
who may ask, how errors look, pages, retries and versions.

Integers are 64 bits wide (`format: int64`). JavaScript's numbers are exact up to 2^53 only, so counters of bytes may be rounded
there from 9 PB on.
"""
_HEADERS: Final[dict[str, Any]] = {
    "X-Request-Id": {
        "description": "The id of the request: the one that was sent, or a new one. The logs of API server and node have it.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
        "required": True,
    },
    "Server-Timing": {
        "description": "How long the answer took, in milliseconds: `total;dur=1.5`.",
        "schema": {"type": "string"},
        "required": True,
    },
    "Retry-After": {"description": "Seconds after which to try again.", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
    "WWW-Authenticate": {"description": "How to say who asks: `Bearer`.", "schema": {"type": "string"}, "required": True},
}
_ALWAYS: Final = {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", "Server-Timing")}
_REQUEST_ID: Final[dict[str, Any]] = {
    "name": "X-Request-Id",
    "in": "header",
    "required": False,
    "description": "An id for this request: 1 to 64 letters, digits, dots, dashes or underscores. Others are replaced.",
    "schema": {"type": "string"},
}

_LAST_EVENT_ID: Final[dict[str, Any]] = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "The id of the last event that came; the stream goes on behind it.",
    "schema": {"type": "string", "pattern": "^[0-9]{0,15}$"},
}
_TRACEPARENT: Final[dict[str, Any]] = {
    "name": "traceparent",
    "in": "header",
    "required": False,
    "description": "The trace that this request belongs to (W3C Trace Context, section 3.2). What is none is ignored.",
    "schema": {"type": "string"},
    "example": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}
_IDEMPOTENCY_KEY: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A key of this request, for example a UUID: the same request under one key, within a day, is carried out "
    "once. 409 if the key was used for another request.",
    "schema": {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"},
    "example": "5f0c1a9e-2b7d-4436-9c1e-0d8f6a3b7e21",
}
_NOTHING_FOLLOWS: Final = {"204": {"description": "Nothing follows any more: do not connect again.", "headers": _ALWAYS}}

_PARAMETERS: Final = {
    "RequestId": _REQUEST_ID,
    "Traceparent": _TRACEPARENT,
    "LastEventId": _LAST_EVENT_ID,
    "IdempotencyKey": _IDEMPOTENCY_KEY,
}


def document(rows: Sequence[Row], version: str, codes: Codes) -> dict[str, Any]:
    """OpenAPI 3.1.1 of these rows. `version` of the product; `codes` of problems, by status."""
    known = models(rows)
    paths: dict[str, Any] = {}
    for row in rows:
        paths.setdefault(row.full_path, {})[row.verb.lower()] = _operation(row, known)
    statuses = sorted({status for row in rows for status in statuses_of(row)})
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Appliance management",
            "version": version,
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The node that this description came from."}],
        "security": [{"bearer": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys([*(row.tag for row in rows), "Probes"])],
        "paths": paths | _PROBES,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An access token of a log-in, or an API token."}
            },
            "headers": _HEADERS,
            "parameters": _PARAMETERS,
            "responses": {name_of(status): response(status, codes, _ALWAYS) for status in statuses},
            "schemas": dict(sorted({**known.schemas, **_bodies(rows, known), "Problem": PROBLEM, "Probe": _PROBE}.items())),
        },
    }


def _operation(row: Row, known: Models) -> dict[str, Any]:
    told: dict[str, Any] = {"operationId": row.name.replace(".", "_"), "summary": row.summary, "tags": [row.tag]}
    if about := _about(row):
        told["description"] = about
    headers = [
        *("RequestId", "Traceparent"),
        *(["LastEventId"] if row.stream else []),
        *(["IdempotencyKey"] if row.once else []),
    ]
    told["parameters"] = [*_parameters(row, known), *({"$ref": f"#/components/parameters/{each}"} for each in headers)]
    if body := _request_body(row, known):
        told["requestBody"] = body
    told["responses"] = {str(row.success): _answer(row, known), **(_NOTHING_FOLLOWS if row.stream else {})} | {
        str(status): {"$ref": f"#/components/responses/{name_of(status)}"} for status in statuses_of(row)
    }
    if row.unwell:
        told["responses"][str(row.unwell)] = _unwell(row, known)
    if row.permission == PUBLIC:
        told["security"] = []
    else:
        told["x-permission"] = row.permission
    return told


def _about(row: Row) -> str:
    asked = "Anybody may ask this." if row.permission == PUBLIC else f"Permission: `{row.permission}`."
    return f"{row.about} {asked}".strip()


def _parameters(row: Row, known: Models) -> list[dict[str, Any]]:
    schema = known.of(row.arguments)
    found = []
    for name, one in schema.get("properties", {}).items():
        where = "path" if name in row.in_path else "query"
        if where == "query" and row.verb.has_body:
            continue
        described = {key: value for key, value in one.items() if key != "description"}
        if where == "path" and described.get("type") == "string":
            described.setdefault("minLength", 1)
        parameter = {"name": name, "in": where, "required": name in schema.get("required", ()), "schema": described}
        parameter |= {key: one[key] for key in ("description",) if key in one}
        found.append(parameter | ({"example": row.example[name]} if name in row.example else {}))
    return found


def _request_body(row: Row, known: Models) -> dict[str, Any] | None:
    schema = _body(row, known)
    if schema is None:
        return None
    wanted = _without(known.of(row.arguments), row.in_path).get("required", ())
    content: dict[str, Any] = {"schema": schema}
    if example := {name: value for name, value in row.example.items() if name not in row.in_path}:
        content["example"] = example
    kinds = ("application/json", "application/x-www-form-urlencoded") if row.form else ("application/json",)
    return {"content": dict.fromkeys(kinds, content), "required": bool(wanted)}


def _body(row: Row, known: Models) -> Schema | None:
    """What stands for the body: the model, or the model without what stands in the path. None: no body."""
    if not row.verb.has_body or row.arguments is Nothing or set(row.arguments.model_fields) <= set(row.in_path):
        return None
    return {"$ref": REFERENCE.format(model=_body_name(row, known))} if row.in_path else known.reference(row.arguments)


def _body_name(row: Row, known: Models) -> str:
    return f"{known.names[row.arguments]}Body"


def _bodies(rows: Sequence[Row], known: Models) -> dict[str, Schema]:
    """Models without what stands in the path."""
    return {
        _body_name(row, known): _without(known.of(row.arguments), row.in_path)
        for row in rows
        if row.in_path and _body(row, known)
    }


def _without(schema: Schema, names: Sequence[str]) -> Schema:
    properties = {name: one for name, one in schema.get("properties", {}).items() if name not in names}
    required = [name for name in schema.get("required", ()) if name not in names]
    left = {key: value for key, value in schema.items() if key not in {"properties", "required", "title"}}
    return left | {"properties": properties} | ({"required": required} if required else {})


def _answer(row: Row, known: Models) -> dict[str, Any]:
    if row.success == 204:
        return {"description": "It went well.", "headers": _ALWAYS}
    if not row.stream:
        return {
            "description": "It went well.",
            "headers": _ALWAYS,
            "content": {"application/json": {"schema": known.reference(row.result)}},
        }
    item = known.reference(row.result)
    return {
        "description": "Server-sent events (HTML, section 9.2). `data` of each is an item as JSON.",
        "headers": _ALWAYS,
        "content": {"text/event-stream": {"schema": _EVENT, "x-item": item}},
    }


_EVENT: Final[Schema] = {
    "description": "One event of the stream.",
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
}


def _unwell(row: Row, known: Models) -> dict[str, Any]:
    """The answer, or a problem: the status alone does not say which."""
    told = _answer(row, known)
    problem = {"application/problem+json": {"schema": {"$ref": REFERENCE.format(model="Problem")}}}
    return told | {"description": "Something is not well, or it did not go well.", "content": told["content"] | problem}


_PROBE: Final[Schema] = {
    "title": "Probe",
    "description": "Whether it is well.",
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"type": "string"}},
    "additionalProperties": True,
}


def _probe(operation: str, summary: str, *, may_fail: bool) -> Mapping[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Probe"}}}
    answers = {"200": {"description": "Yes.", "content": content}}
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "description": "Anybody may ask this.",
            "tags": ["Probes"],
            "security": [],
            "responses": answers | ({"503": {"description": "Not now.", "content": content}} if may_fail else {}),
        }
    }


_PROBES: Final = {
    "/health": _probe("process_alive", "whether the API server lives", may_fail=False),
    "/ready": _probe("node_ready", "whether the node carries traffic", may_fail=True),
}
"""What is asked by whoever starts and watches processes, outside of the versions."""
