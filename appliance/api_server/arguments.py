"""What a request says, as the arguments of its operation: judged here, and nowhere else."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from appliance.api_server.problems import BadRequest, BodyTooLarge, UnsupportedMedia, invalid
from appliance.management.operations.row import Arguments, Row
from appliance.management.operations.strict_json import NoJson, value_of

MOST_BODY: Final = 1 << 20
"""Bytes of a body."""
FORM: Final = "application/x-www-form-urlencoded"
MOST_FIELDS: Final = 32
"""Of a form."""


async def arguments_of(row: Row, request: Request) -> Arguments:
    """The arguments of a request. Raises BadRequest, BodyTooLarge, UnsupportedMedia, Invalid."""
    written: dict[str, Any] = dict(request.path_params)
    given = await _body(row, request) if row.verb.has_body else _query(row, request)
    twice = given.keys() & written.keys()
    if twice:
        raise BadRequest(f"{min(twice)} stands in the path already")
    try:
        found = _judged(row, given, written)
    except ValidationError as error:
        raise invalid(error) from None
    assert isinstance(found, Arguments)
    return found


def _judged(row: Row, given: dict[str, Any], written: dict[str, Any]) -> BaseModel:
    """What stands in a path or a query is text, whatever it means. JSON knows kinds, so "1" is no number there, 1 not true."""
    if not row.verb.has_body:
        return row.arguments.model_validate({**given, **written})
    try:
        text = json.dumps({**given, **written}, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadRequest("the body has a half of a surrogate pair, which is no character") from None
    return row.arguments.model_validate_json(text, strict=True)


async def _body(row: Row, request: Request) -> dict[str, Any]:
    raw = await read_body(request)
    if not raw:
        return {}
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if row.form and kind == FORM:
        return _form(raw)
    if kind != "application/json":
        raise UnsupportedMedia(f"{kind[:60]!r} is not taken here", hint="send application/json")
    try:
        found = value_of(raw)
    except NoJson as error:
        raise BadRequest(f"the body {error}") from None
    if not isinstance(found, dict):
        raise BadRequest("the body is no JSON object")
    return found


def _form(raw: bytes) -> dict[str, Any]:
    """A form (WHATWG URL, section 5.1), in which each argument is there once."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=MOST_FIELDS, errors="strict"
        )
    except ValueError:
        raise BadRequest("the body is no form") from None
    if len(dict(pairs)) != len(pairs):
        raise BadRequest("an argument is there twice")
    return dict(pairs)


async def read_body(request: Request) -> bytes:
    """All of it, if that is not too much. Raises BodyTooLarge, UnsupportedMedia."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("compressed bodies are not taken", hint="send it without Content-Encoding")
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length[:20]) > MOST_BODY:
        raise BodyTooLarge(f"at most {MOST_BODY >> 10} KiB are taken")
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > MOST_BODY:
            raise BodyTooLarge(f"at most {MOST_BODY >> 10} KiB are taken")
    return bytes(found)


def _query(row: Row, request: Request) -> dict[str, Any]:
    """An argument that may be a list is one; any other may be there once."""
    found: dict[str, Any] = {}
    for name in dict.fromkeys(request.query_params.keys()):
        values = request.query_params.getlist(name)
        if _is_list(row, name):
            found[name] = values
        elif len(values) > 1:
            raise BadRequest(f"{name[:60]} is there {len(values)} times")
        else:
            found[name] = values[0]
    return found


def _is_list(row: Row, name: str) -> bool:
    field = row.arguments.model_fields.get(name)
    return field is not None and getattr(field.annotation, "__origin__", None) in {list, tuple}
