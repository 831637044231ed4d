"""What a caller is told who does not get what he asks for (RFC 9457), in the same words as the API server's."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Refused(Exception):
    """An answer that is none."""

    def __init__(self, status: HTTPStatus, code: str, detail: str, hint: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.hint = status, code, detail, hint
        self.headers = headers


def not_known(detail: str) -> Refused:
    """Who calls has no token, or none that is good now (RFC 6750, section 3)."""
    hint = "log in at the node (auth.login, auth.refresh) and send the access token as Authorization: Bearer …"
    return Refused(HTTPStatus.UNAUTHORIZED, "Unauthenticated", detail, hint, {"WWW-Authenticate": "Bearer"})


def answer(_request: Request, refused: Exception) -> Response:
    """For `FastAPI.add_exception_handler`."""
    if not isinstance(refused, Refused):
        raise refused
    body: dict[str, Any] = {
        "type": f"urn:appliance:problem:{refused.code}",
        "title": refused.status.phrase,
        "status": refused.status,
        "code": refused.code,
        "detail": refused.detail,
        "hint": refused.hint,
        "retryable": refused.status == HTTPStatus.SERVICE_UNAVAILABLE,
    }
    return JSONResponse(body, refused.status, refused.headers, "application/problem+json")
