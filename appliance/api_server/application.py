"""The application: each row of the table at its path, and what stands beside them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import cache

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from appliance.api_server.answering import REQUEST_ID, Answering, Handler, request_id
from appliance.api_server.asking import Ask
from appliance.api_server.dashboard import pages as dashboard
from appliance.api_server.gateways.gateways import Gateways
from appliance.api_server.logins.browser import log_in_routes
from appliance.api_server.node_link import Settings
from appliance.api_server.parts import Parts
from appliance.api_server.problems import NotFound, WrongMethod, known_codes, problem
from appliance.api_server.reference import pages as reference
from appliance.api_server.websocket.endpoint import WebSocketEndpoint
from appliance.errors import ApplianceError
from appliance.management.descriptions.openapi import document
from appliance.management.descriptions.openapi_3_0 import older
from appliance.management.operations.table import ROWS
from appliance.management.websocket.messages import PATH

Endpoint = Callable[[Request], Awaitable[Response]]


def answering_of(settings: Settings, parts: Parts, more: Mapping[str, Handler]) -> Answering:
    """What answers each row. `more` carry out rows beside those of the parts."""
    return Answering(parts.asking, parts.bearer, settings.added_roles, {**parts.handlers(), **more}, parts.answered)


def application(settings: Settings, parts: Parts, answering: Answering, gateways: Gateways) -> Starlette:
    """The API of the node that `settings` are of."""
    websocket = WebSocketRoute(PATH, WebSocketEndpoint(parts.asking, parts.bearer, parts.jobs, parts.may, parts.recorder).answer)
    beside = Mount(gateways.PATH, gateways.answer)
    return assembled(
        answering,
        parts.asking.ask,
        settings.version,
        websocket,
        beside,
        *log_in_routes(parts.log_ins),
        *dashboard.routes(),
        *reference.routes(),
    )


def assembled(answering: Answering, node: Ask, version: str, *beside: BaseRoute) -> Starlette:
    """The table's rows, answered, and what stands beside them."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for row in ROWS:
        by_path.setdefault(row.full_path, {})[row.verb.value] = answering.endpoint(row)
    return Starlette(
        routes=[
            *(Route(path, _Path(verbs)) for path, verbs in sorted(by_path.items(), key=_plain_first)),
            Route("/health", _alive),
            Route("/ready", _readiness(node)),
            *_descriptions(version),
            *beside,
        ],
        exception_handlers={HTTPException: _not_found},
    )


def _plain_first(path_and_verbs: tuple[str, object]) -> tuple[bool, ...]:
    """/users/profile comes before /users/{name}, so that what is said of a path is said of that one."""
    return tuple(part.startswith("{") for part in path_and_verbs[0].split("/"))


class _Path:
    """All verbs of a path: it answers for the others too, so a path with arguments that would fit is not asked."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = {**endpoints, **({"HEAD": endpoints["GET"]} if "GET" in endpoints else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["method"])
        if endpoint is None:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(self._endpoints))})
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


async def _alive(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _readiness(node: Ask) -> Endpoint:
    async def ready(_request: Request) -> Response:
        try:
            health = await node("health", {}, None, 5.0)
        except (ApplianceError, TimeoutError):
            health = {"ready": False}
        well = bool(health["ready"])
        return JSONResponse({"status": "ready" if well else "not ready"}, 200 if well else 503)

    return ready


def _descriptions(version: str) -> list[Route]:
    """OpenAPI, made and written once, at the first request: most nodes are never asked."""

    @cache
    def text(*, older_form: bool) -> bytes:
        described = document(ROWS, version, known_codes())
        return json.dumps(older(described) if older_form else described, ensure_ascii=False).encode()

    async def newest(_request: Request) -> Response:
        return Response(text(older_form=False), media_type="application/json")

    async def for_older_generators(_request: Request) -> Response:
        return Response(text(older_form=True), media_type="application/json")

    return [Route("/api/v1/openapi.json", newest), Route("/api/v1/openapi-3.0.json", for_older_generators)]


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    number = request_id(request)
    if error.status_code == 405:
        refused = problem(WrongMethod(f"{request.method} is not for this path", hint="see /api/v1/openapi.json"), number)
        refused.headers.update(error.headers or {})
    else:
        refused = problem(NotFound("nothing is at this path", hint="see /api/v1/openapi.json"), number)
    refused.headers[REQUEST_ID] = number
    return refused
