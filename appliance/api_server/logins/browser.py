"""Where browsers go on the way through a log-in elsewhere: /login/NAME, which sends them on, and /login/NAME/callback.

A cookie ties the way to one browser (RFC 6749, 10.12). No script reads it, and no other page's request brings it but for the way
back itself, which is a link (SameSite=Lax).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from appliance.api_server.answering import request_id
from appliance.api_server.dashboard import pages as dashboard
from appliance.api_server.iam.handlers import address_of
from appliance.api_server.logins.log_ins import BEGUN_SECONDS, LogIns
from appliance.api_server.problems import BadRequest, problem
from appliance.errors import ApplianceError

PATH: Final = "/login"
COOKIE: Final = "appliance-log-in"
_OVER_TLS: Final = f"__Host-{COOKIE}"
"""With this name a browser takes it from this host only, and over TLS (RFC 6265bis, 4.1.3.2)."""
MOST_PARAMETERS: Final = 32

Step = Callable[[Request], Awaitable[Response]]


def log_in_routes(log_ins: LogIns) -> list[BaseRoute]:
    """Of browsers."""

    async def begin(request: Request) -> Response:
        name = request.path_params["name"]
        callback = f"{request.scope['scheme']}://{request.headers.get('host', '')}{PATH}/{name}/callback"
        going = await log_ins.begin(name, callback, address_of(request))
        answer = RedirectResponse(going.url, 303)
        _tie(answer, request, going.browser)
        return answer

    async def finish(request: Request) -> Response:
        code = await log_ins.finish(request.path_params["name"], _parameters(request), secret_of(request), address_of(request))
        return RedirectResponse(f"{dashboard.PATH}#log-in={code}", 303)

    return [Route(f"{PATH}/{{name}}", _answered(begin)), Route(f"{PATH}/{{name}}/callback", _answered(finish))]


def _answered(step: Step) -> Step:
    async def answer(request: Request) -> Response:
        try:
            answered = await step(request)
        except ApplianceError as error:
            answered = problem(error, request_id(request))
        answered.headers["cache-control"] = "no-store"
        return answered

    return answer


def secret_of(request: Request) -> str:
    """What the cookie has; "" without one."""
    return request.cookies.get(_cookie(request), "")


def _tie(answer: Response, request: Request, secret: str) -> None:
    secure = request.scope["scheme"] == "https"
    life = int(BEGUN_SECONDS)
    answer.set_cookie(_cookie(request), secret, max_age=life, path="/", secure=secure, httponly=True, samesite="lax")


def _cookie(request: Request) -> str:
    return _OVER_TLS if request.scope["scheme"] == "https" else COOKIE


def _parameters(request: Request) -> dict[str, str]:
    """What stands in the query: each once (RFC 6749, 3.1). Raises BadRequest."""
    pairs = request.query_params.multi_items()
    found = dict(pairs)
    if len(found) < len(pairs) or len(pairs) > MOST_PARAMETERS:
        raise BadRequest("a parameter stands there twice, or there are too many")
    return found
