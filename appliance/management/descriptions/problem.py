"""Answers of an operation that went wrong, as OpenAPI has them (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from appliance.management.operations.row import PUBLIC, AnsweredBy, Row

Codes = Mapping[int, Sequence[str]]
"""The codes that come with a status, as far as they are known; the API server has them."""

PROBLEM: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457). Some codes bring more members than these.",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "hint", "retryable", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "urn:appliance:problem: and the code."},
        "title": {"type": "string", "description": "The phrase of the status."},
        "status": {"type": "integer", "format": "int32", "description": "As in the status line."},
        "code": {"type": "string", "description": "For programs; docs/troubleshooting.md has a section for each."},
        "detail": {"type": "string", "description": "What happened, for a person."},
        "hint": {"type": "string", "description": "What to do."},
        "retryable": {"type": "boolean", "description": "The same request may succeed later."},
        "instance": {"type": "string", "format": "uri", "description": "urn:request: and the request's id."},
        "problems": {
            "type": "array",
            "description": "What is wrong about each argument (code Invalid).",
            "items": {
                "type": "object",
                "required": ["path", "message"],
                "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
                "additionalProperties": True,
            },
        },
    },
    "additionalProperties": True,
}

_STATUSES: Final = {
    400: ("BadRequest", "The request is not what HTTP or JSON has."),
    401: ("Unauthorized", "It is not known who asks."),
    403: ("Forbidden", "Who asks may not do this."),
    404: ("NotFound", "There is no such thing."),
    405: ("MethodNotAllowed", "The path has no such method."),
    406: ("NotAcceptable", "The answer has no form that the header Accept wants."),
    408: ("RequestTimeout", "The request did not come in time."),
    409: ("Conflict", "Not as things are now."),
    410: ("Gone", "It was there, and is not any more."),
    412: ("PreconditionFailed", "It was changed meanwhile."),
    413: ("ContentTooLarge", "The body is too large."),
    415: ("UnsupportedMediaType", "The body is neither JSON nor plain."),
    422: ("UnprocessableContent", "The arguments are not what this operation takes."),
    423: ("Locked", "It is locked."),
    429: ("TooManyRequests", "Too many requests; Retry-After says when to come again."),
    500: ("InternalServerError", "A mistake of ours."),
    501: ("NotImplemented", "This node does not do that."),
    502: ("BadGateway", "What the node asked did not answer as it should."),
    503: ("ServiceUnavailable", "The node does not answer now; Retry-After may say when to come again."),
    504: ("GatewayTimeout", "The node did not answer in time."),
    507: ("InsufficientStorage", "There is no room to keep it."),
}
"""Names and meanings of statuses. Not http.HTTPStatus: its names differ between versions of Python."""
_ALWAYS: Final = (400, 422, 429, 500, 503, 504)
"""With which any operation may end."""


def statuses_of(row: Row) -> list[int]:
    """Statuses with which an operation may go wrong, in order."""
    known = () if row.permission == PUBLIC else (401, 403)
    body = (413, 415) if row.verb.has_body else ()
    refused = (409,) if row.answered_by is AnsweredBy.NODE else ()
    missing = (404,) if row.in_path else ()
    return sorted({*_ALWAYS, *known, *body, *refused, *missing, *row.fails})


def name_of(status: int) -> str:
    """The name of the answer among the components."""
    return _STATUSES[status][0] if status in _STATUSES else f"Status{status}"


def response(status: int, codes: Codes, headers: Mapping[str, Any]) -> dict[str, Any]:
    """The answer with that status."""
    more = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}.get(status, ())
    known = sorted(codes.get(status, ()))
    said = _STATUSES.get(status, ("", "It did not go well."))[1]
    return {
        "description": f"{said} Codes: {', '.join(known)}." if known else said,
        "headers": {**headers, **{name: {"$ref": f"#/components/headers/{name}"} for name in more}},
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    } | ({"x-codes": known} if known else {})
