"""A request of GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/): read, bounded, judged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from appliance.api.gateways import Receive, Scope
from appliance.api.management import Refused
from appliance_gateway_graphql.limits import MOST_BYTES


class NoRequest(Refused):
    """What came is none. `status` is that of HTTP."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Asked(NamedTuple):
    """What is asked for."""

    query: str
    operation: str | None
    variables: Mapping[str, Any]


async def read(scope: Scope, receive: Receive) -> Asked:
    """The request. Raises NoRequest."""
    if scope["method"] != "POST":
        raise NoRequest("a query is posted", 405)
    kind = header(scope, b"content-type").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise NoRequest("a query is posted as application/json", 415)
    try:
        told = json.loads(await _body(receive))
    except (ValueError, RecursionError):
        raise NoRequest("the body is no JSON") from None
    if not isinstance(told, dict):
        raise NoRequest("the body is no JSON object")
    query, operation, variables = told.get("query"), told.get("operationName"), told.get("variables")
    if not isinstance(query, str) or not (operation is None or isinstance(operation, str)):
        raise NoRequest("`query` is text, and so is `operationName` if there is one")
    if not (variables is None or isinstance(variables, dict)):
        raise NoRequest("`variables` is an object")
    return Asked(query, operation, variables or {})


def header(scope: Scope, name: bytes) -> str:
    """A header field; "" if there is none."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise NoRequest("the request broke off")
        body += bytes(message.get("body", b""))
        if len(body) > MOST_BYTES:
            raise NoRequest(f"a request has {MOST_BYTES >> 10} KiB at most", 413)
        if not message.get("more_body"):
            return body
