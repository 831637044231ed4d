"""What goes wrong, as RFC 9457 has it: one body for all errors, with the stable code that docs/troubleshooting.md tells of."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final

from pydantic import ValidationError
from starlette.responses import Response

from appliance.api_server.caller import Forbidden, Unauthenticated
from appliance.api_server.refusals import Refused
from appliance.errors import ApplianceError, ExitCode

MEDIA_TYPE: Final = "application/problem+json"
TYPE: Final = "urn:appliance:problem:"
"""The type of a problem is a name, not an address where something must be (RFC 9457, section 3.1.1)."""
_BY_CODE: Final = {
    "NoSuchName": HTTPStatus.NOT_FOUND,
    "NoSuchPeer": HTTPStatus.NOT_FOUND,
    "CannotBlock": HTTPStatus.CONFLICT,
    "NotShared": HTTPStatus.CONFLICT,
    "NothingFound": HTTPStatus.NOT_FOUND,
    "BadRequest": HTTPStatus.BAD_REQUEST,
    "BodyTooLarge": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "NotFound": HTTPStatus.NOT_FOUND,
    "WrongMethod": HTTPStatus.METHOD_NOT_ALLOWED,
    "UnsupportedMedia": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "NoSuchRecord": HTTPStatus.NOT_FOUND,
    "Conflict": HTTPStatus.CONFLICT,
    "NameTaken": HTTPStatus.CONFLICT,
    "LastAdmin": HTTPStatus.CONFLICT,
    "UsersThere": HTTPStatus.CONFLICT,
    "StoreBroken": HTTPStatus.SERVICE_UNAVAILABLE,
    "NodeSilent": HTTPStatus.SERVICE_UNAVAILABLE,
    "WrongCredentials": HTTPStatus.UNAUTHORIZED,
    "LogInOver": HTTPStatus.UNAUTHORIZED,
    "LogInRefused": HTTPStatus.FORBIDDEN,
    "LogInPending": HTTPStatus.CONFLICT,
    "LogInFailed": HTTPStatus.BAD_GATEWAY,
    "SecondFactorNeeded": HTTPStatus.UNAUTHORIZED,
    "TokenNotValid": HTTPStatus.UNAUTHORIZED,
    "TokenExpired": HTTPStatus.UNAUTHORIZED,
    "InvalidClient": HTTPStatus.UNAUTHORIZED,
    "TooManyAttempts": HTTPStatus.TOO_MANY_REQUESTS,
    "Unconfirmed": HTTPStatus.CONFLICT,
    "TemplateUnknown": HTTPStatus.NOT_FOUND,
    "ExecutionUnknown": HTTPStatus.NOT_FOUND,
    "ExecutionOver": HTTPStatus.CONFLICT,
    "KeyReused": HTTPStatus.CONFLICT,
    "NoSuchTrace": HTTPStatus.NOT_FOUND,
    "CursorInvalid": HTTPStatus.BAD_REQUEST,
    "JobsBusy": HTTPStatus.TOO_MANY_REQUESTS,
    "TooManyStreams": HTTPStatus.TOO_MANY_REQUESTS,
    "TooManyRequests": HTTPStatus.TOO_MANY_REQUESTS,
    "too-many-questions": HTTPStatus.TOO_MANY_REQUESTS,
    "permission": HTTPStatus.FORBIDDEN,
    "bug": HTTPStatus.INTERNAL_SERVER_ERROR,
    "DeadlineExceeded": HTTPStatus.GATEWAY_TIMEOUT,
}
_BY_EXIT: Final = {
    ExitCode.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    ExitCode.PERMISSION: HTTPStatus.FORBIDDEN,
    ExitCode.NO_DAEMON: HTTPStatus.SERVICE_UNAVAILABLE,
    ExitCode.RETRY: HTTPStatus.SERVICE_UNAVAILABLE,
}


class BadRequest(ApplianceError):
    """The request is not what HTTP or JSON has."""

    exit_code = ExitCode.INVALID


class Invalid(ApplianceError):
    """The arguments of an operation are not what it takes. `problems`: each with path and message."""

    exit_code = ExitCode.INVALID

    def __init__(self, message: str, problems: list[dict[str, Any]]) -> None:
        super().__init__(message, hint="the schema of this operation is in /api/v1/openapi.json")
        self.problems = problems

    def document(self) -> dict[str, Any]:
        """With what is wrong about each argument."""
        return super().document() | {"problems": self.problems}


class BodyTooLarge(ApplianceError):
    """More came than the operation takes."""

    exit_code = ExitCode.INVALID


class UnsupportedMedia(ApplianceError):
    """The body is neither JSON nor plain."""

    exit_code = ExitCode.INVALID


class NotFound(ApplianceError):
    """Nothing is at that path, or there is no such thing."""

    exit_code = ExitCode.INVALID


class WrongMethod(ApplianceError):
    """The path has no such method."""

    exit_code = ExitCode.INVALID


def invalid(error: ValidationError) -> Invalid:
    """What pydantic says, without the values: a password may be among them."""
    found = [
        {"path": ".".join(map(str, each["loc"])), "message": each["msg"]}
        for each in error.errors(include_input=False, include_url=False)[:20]
    ]
    said = "; ".join(f"{each['path'] or 'arguments'}: {each['message']}" for each in found[:3])
    return Invalid(f"the arguments are not what this takes: {said}", found)


def bug(operation: str) -> ApplianceError:
    """A mistake of ours; what it was is in the log, since a text of it may hold what nobody else is to read."""
    error = ApplianceError(f"{operation} failed: this should not have happened", hint="look at the node's log")
    error.code = "bug"
    return error


def status_of(error: ApplianceError) -> HTTPStatus:
    """The status of HTTP for an error."""
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, Unauthenticated):
        return HTTPStatus.UNAUTHORIZED
    if isinstance(error, Forbidden):
        return HTTPStatus.FORBIDDEN
    return _BY_CODE.get(error.code) or _BY_EXIT.get(error.exit_code, HTTPStatus.CONFLICT)


def known_codes() -> dict[int, list[str]]:
    """The codes that are known to come with each status; plugins and later versions bring more."""
    found: dict[int, list[str]] = {
        int(HTTPStatus.UNAUTHORIZED): [Unauthenticated.__name__],
        int(HTTPStatus.FORBIDDEN): [Forbidden.__name__],
        int(HTTPStatus.UNPROCESSABLE_ENTITY): [Invalid.__name__],
    }
    for code, status in _BY_CODE.items():
        found.setdefault(int(status), []).append(code)
    for refused in Refused.__subclasses__():
        codes = found.setdefault(int(refused.status), [])
        if refused.__name__ not in codes:
            codes.append(refused.__name__)
    return found


def document_of(error: ApplianceError, instance: str) -> dict[str, Any]:
    """The body. `instance` is the request's id."""
    status = status_of(error)
    told = error.document()
    return {
        "type": f"{TYPE}{told.pop('code')}",
        "title": status.phrase,
        "status": int(status),
        "code": error.code,
        "detail": told.pop("message"),
        "hint": told.pop("hint"),
        "retryable": error.retryable,
        "instance": f"urn:request:{instance}",
    } | {name: value for name, value in told.items() if name != "exit"}


def problem(error: ApplianceError, instance: str) -> Response:
    """The answer. `instance` is the request's id."""
    status, body = status_of(error), document_of(error, instance)
    headers = {"www-authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else {}
    if wait := getattr(error, "retry_after", None):
        headers["retry-after"] = str(int(wait) + 1)
    return Response(json.dumps(body, ensure_ascii=False, default=str), status, headers, MEDIA_TYPE)
