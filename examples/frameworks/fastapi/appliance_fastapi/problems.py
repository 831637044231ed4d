"""What a caller is told who does not get what he asks for (RFC 9457), in the same words as the API server's."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from appliance.sdk import AccessDenied, DeadlineExceeded, NodeGone, SDKError, ServiceNotFound, UnknownPeer


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


def refused(error: SDKError) -> Refused:
    """What the node says, or that it is not there, as an answer to whoever asked the application."""
    match error:
        case UnknownPeer() | ServiceNotFound():
            status = HTTPStatus.NOT_FOUND
        case AccessDenied():
            status = HTTPStatus.FORBIDDEN
        case DeadlineExceeded():
            status = HTTPStatus.GATEWAY_TIMEOUT
        case NodeGone():
            status = HTTPStatus.SERVICE_UNAVAILABLE
        case _:
            status = HTTPStatus.SERVICE_UNAVAILABLE if error.retryable else HTTPStatus.BAD_GATEWAY
    return Refused(status, error.code, error.message, error.hint or "")


def answer(_request: Request, error: Exception) -> Response:
    """For `FastAPI.add_exception_handler`, for Refused and for SDKError."""
    if isinstance(error, SDKError):
        error = refused(error)
    if not isinstance(error, Refused):
        raise error
    body: dict[str, Any] = {
        "type": f"urn:appliance:problem:{error.code}",
        "title": error.status.phrase,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
        "hint": error.hint,
        "retryable": error.status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT},
    }
    return JSONResponse(body, error.status, error.headers, "application/problem+json")
