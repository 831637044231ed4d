"""Answers one request: who asks, may he, what does he want, the answer. The same steps for every row of the table.

request ─ id ─ caller ─ permission ─ arguments ─ the node, or what is kept here ─ JSON, or a problem
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from appliance.api_server.arguments import arguments_of
from appliance.api_server.asking import Asking, Told, written
from appliance.api_server.caller import NOBODY, Bearer, Caller, authorize, caller_of
from appliance.api_server.problems import BadRequest, bug, problem
from appliance.api_server.tracing.requests import routed, trace_fields
from appliance.errors import ApplianceError
from appliance.foundation import clock
from appliance.foundation.entropy import random_bytes
from appliance.foundation.logging import get_logger
from appliance.management.operations.row import PUBLIC, AnsweredBy, Arguments, Row
from appliance.sdk.errors import DeadlineExceeded

log = get_logger("api")

REQUEST_ID: Final = "x-request-id"
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Call(NamedTuple):
    """One request, as the handler of a row has it."""

    row: Row
    caller: Caller
    arguments: Any
    """An instance of the row's model."""
    request: Request
    id: str
    """Of the request."""


Handler = Callable[[Call], Awaitable[Any]]
"""Carries out what the API server answers itself: returns what JSON has, or a Response. Raises ApplianceError."""


class Answering:
    """`handlers` of rows that the API server answers itself, by name."""

    def __init__(
        self,
        asking: Asking,
        bearer: Bearer,
        added_roles: Mapping[str, Collection[str]],
        handlers: Mapping[str, Handler],
        answered: Counter[str] | None = None,
    ) -> None:
        """`answered` counts answers by class: "2xx", "4xx", …"""
        self._asking = asking
        self._bearer = bearer
        self._added = added_roles
        self._handlers = handlers
        self._answered = Counter[str]() if answered is None else answered

    def endpoint(self, row: Row) -> Callable[[Request], Awaitable[Response]]:
        """What answers requests for that row."""

        async def answer(request: Request) -> Response:
            return await self._answer(row, request)

        return answer

    async def _answer(self, row: Row, request: Request) -> Response:
        number = request_id(request)
        routed(request.scope, row)
        began = clock.monotonic()
        caller = None
        try:
            caller = NOBODY if row.permission == PUBLIC else await caller_of(request, self._bearer)
            authorize(caller, row.permission, self._added)
            _pay(request, caller)
            arguments = await arguments_of(row, request)
            response = _response(await self._carried_out(Call(row, caller, arguments, request, number)), row)
        except ApplianceError as error:
            response = problem(error, number)
        except ClientDisconnect:
            response = problem(BadRequest("the request broke off"), number)  # which nobody reads
        except TimeoutError:
            late = DeadlineExceeded(f"{row.name} took longer than {row.seconds:g} s", hint="ask again, or look at the node's log")
            response = problem(late, number)
        except Exception:
            log.exception("a request failed", operation=row.name, request=number, **trace_fields(request.headers))
            response = problem(bug(row.name), number)
        self._answered[f"{response.status_code // 100}xx"] += 1
        _note(response, row, caller, number, clock.monotonic() - began, request.headers)
        return response

    async def _carried_out(self, call: Call) -> Any:
        arguments: Arguments = call.arguments
        if call.row.answered_by is AnsweredBy.NODE:
            return _told(await self._asking.told(call.row, arguments, call.caller.on_behalf(call.id)), call.row)
        return await self._handlers[call.row.name](call)


def _pay(request: Request, caller: Caller) -> None:
    """The edge counts what each user asks, but for the host's own. Raises TooManyRequests."""
    toll = request.scope.get("state", {}).get("toll")
    if toll is not None and caller.how not in {"", "peer"}:
        toll(caller.name)


def request_id(request: Request) -> str:
    """The id that came with the request, if it is one; else a new one."""
    given = request.headers.get(REQUEST_ID, "")
    return given if _ID.fullmatch(given) else random_bytes(8).hex()


def _response(answer: Any, row: Row) -> Response:
    if isinstance(answer, Response):
        return answer
    return Response(written(answer), row.success, media_type="application/json")


def _told(told: Told, row: Row) -> Response:
    """What is old says so, as caches do (RFC 9111, section 5.1; RFC 9211)."""
    response = Response(told.body, row.success, media_type="application/json")
    if told.age is not None:
        response.headers["age"] = f"{told.age:.0f}"
        response.headers["cache-status"] = f"node; hit; ttl={row.fresh - told.age:.0f}; detail=NodeSilent"
    return response


def _note(response: Response, row: Row, caller: Caller | None, number: str, seconds: float, headers: Mapping[str, str]) -> None:
    """The metadata of an answer, and a line in the log for what changed something or was refused."""
    response.headers[REQUEST_ID] = number
    response.headers["server-timing"] = f"total;dur={seconds * 1000:.1f}"
    response.headers.setdefault("cache-control", "no-store")
    if row.changes or response.status_code >= 400:
        log.info(
            "request",
            operation=row.name,
            user="" if caller is None else caller.name,
            status=response.status_code,
            request=number,
            ms=round(seconds * 1000, 1),
            **trace_fields(headers),
        )
