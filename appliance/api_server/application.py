"""The application: each row of the table at its path, and what stands beside them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import cache

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from appliance.api_server.answering import Answering, request_id
from appliance.api_server.asking import Asking
from appliance.api_server.caller import Caller, Unauthenticated
from appliance.api_server.node_link import NodeLink, Settings
from appliance.api_server.problems import NotFound, WrongMethod, known_codes, problem
from appliance.foundation import clock
from appliance.management.descriptions.openapi import document
from appliance.management.descriptions.openapi_3_0 import older
from appliance.management.operations.table import ROWS
from appliance.sdk.errors import SDKError


def application(settings: Settings, node: NodeLink) -> Starlette:
    """The API of the node that `settings` are of."""
    added = {name: tuple(permissions) for name, permissions in settings.management["roles"].items()}
    answering = Answering(Asking(node.ask, clock.monotonic), _no_tokens, added, {})
    routes = [Route(row.full_path, answering.endpoint(row), methods=[row.verb.value]) for row in ROWS]
    return Starlette(
        routes=[
            *routes,
            Route("/health", _alive),
            Route("/ready", _readiness(node)),
            *_descriptions(settings),
        ],
        exception_handlers={HTTPException: _not_found},
    )


async def _alive(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _readiness(node: NodeLink) -> Callable[[Request], Awaitable[Response]]:
    async def ready(_request: Request) -> Response:
        try:
            health = await node.ask("health", {}, None, 5.0)
        except (SDKError, TimeoutError):
            health = {"ready": False}
        well = bool(health["ready"])
        return JSONResponse({"status": "ready" if well else "not ready"}, 200 if well else 503)

    return ready


def _descriptions(settings: Settings) -> list[Route]:
    """OpenAPI, made and written once, at the first request: most nodes are never asked."""

    @cache
    def text(*, older_form: bool) -> bytes:
        described = document(ROWS, settings.version, known_codes())
        return json.dumps(older(described) if older_form else described, ensure_ascii=False).encode()

    async def newest(_request: Request) -> Response:
        return Response(text(older_form=False), media_type="application/json")

    async def for_older_generators(_request: Request) -> Response:
        return Response(text(older_form=True), media_type="application/json")

    return [Route("/api/v1/openapi.json", newest), Route("/api/v1/openapi-3.0.json", for_older_generators)]


async def _no_tokens(_token: str) -> Caller:
    raise Unauthenticated("the token is not valid", hint="log in again, or make another one")


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        refused = problem(
            WrongMethod(f"{request.method} is not for this path", hint="see /api/v1/openapi.json"), request_id(request)
        )
        refused.headers.update(error.headers or {})
        return refused
    return problem(NotFound("nothing is at this path", hint="see /api/v1/openapi.json"), request_id(request))
