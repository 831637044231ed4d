"""One request to an API server, of this host by its Unix socket or of any by its address."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from appliance.errors import ApplianceError, ExitCode, MissingPrivilege, NoDaemon
from appliance.foundation import places

SECONDS: Final = 130.0
"""The longest operation has 120."""
_EXITS: Final = {
    401: ExitCode.PERMISSION,
    403: ExitCode.PERMISSION,
    409: ExitCode.FAILURE,
    422: ExitCode.INVALID,
    400: ExitCode.INVALID,
}


class ApiError(ApplianceError):
    """The API server refused. `code` is its name for the reason, `told` its whole problem (RFC 9457)."""

    def __init__(self, problem: Mapping[str, Any], status: int) -> None:
        super().__init__(str(problem.get("detail") or f"it answered {status}"), hint=str(problem.get("hint") or ""))
        self.code = str(problem.get("code") or "ApiError")
        self.retryable = bool(problem.get("retryable"))
        self.exit_code = ExitCode.RETRY if self.retryable else _EXITS.get(status, ExitCode.FAILURE)
        self.told = problem

    def document(self) -> dict[str, Any]:
        """With what the API server told."""
        return {**super().document(), **({"problems": self.told["problems"]} if "problems" in self.told else {})}


class Target(NamedTuple):
    """Where to ask, and as whom."""

    url: str = ""
    """"" for this host's own node."""
    token: str = ""
    seconds: float = SECONDS
    """How long an answer may take."""


class Asked(NamedTuple):
    """One request."""

    verb: str
    path: str
    body: bytes | None = None


def ask(target: Target, asked: Asked) -> Any:
    """The answer. Raises ApiError, NoDaemon, MissingPrivilege."""
    connection, response = _send(target, asked)
    try:
        return json.loads(response.read() or b"null")
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NoDaemon(f"the API server's answer broke off: {error}", hint="ask again") from error
    finally:
        connection.close()


def follow(target: Target, asked: Asked) -> Iterator[Any]:
    """The items of a stream, which comes as server-sent events. Raises as `ask`."""
    connection, response = _send(target, asked)
    try:
        if connection.sock is not None:
            connection.sock.settimeout(None)
        for line in response:
            if line.startswith(b"data:"):
                yield json.loads(line[5:])
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NoDaemon(f"the stream broke off: {error}", hint="ask again") from error
    finally:
        connection.close()


def headers_for(target: Target, asked: Asked) -> dict[str, str]:
    """The header fields of a request."""
    headers = {"accept": "application/json, text/event-stream"}
    if asked.body is not None:
        headers["content-type"] = "application/json"
    if target.token:
        headers["authorization"] = f"Bearer {target.token}"
    return headers


def _send(target: Target, asked: Asked) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = connect(target.url, target.seconds)
    try:
        connection.request(asked.verb, asked.path, asked.body, headers_for(target, asked))
        response = connection.getresponse()
        if response.status >= 400:
            raise ApiError(_problem(response.read()), response.status)
    except PermissionError as error:
        raise MissingPrivilege("this user may not connect to the API server's socket") from error
    except (OSError, http.client.HTTPException) as error:
        where = target.url or "this host"
        raise NoDaemon(
            f"no API server answers at {where}: {error}", hint="has its profile the section management? see: appliance status"
        ) from error
    except ApiError:
        connection.close()
        raise
    return connection, response


def _problem(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def connect(url: str, seconds: float = SECONDS) -> http.client.HTTPConnection:
    """A connection that is made with the first request; each wait is bounded by `seconds`. Raises ApplianceError for what is no
    address."""
    if not url:
        return _OfThisHost(_socket_path(), seconds)
    parts = urlsplit(url)
    if parts.scheme == "https":
        return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=seconds)
    if parts.scheme != "http" or not parts.hostname:
        raise _bad(url)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=seconds)


def _bad(url: str) -> ApplianceError:
    error = ApplianceError(f"{url!r} is no address of an API server", hint="write https://HOST:8470, or http:// for loopback")
    error.exit_code = ExitCode.INVALID
    return error


def _socket_path() -> Path:
    """Of this user's own node, else of root's."""
    own = places.api_path(places.state_dir())
    roots = places.api_path(places.RUN / places.state_dir().name)
    return own if own.exists() or not roots.exists() else roots


class _OfThisHost(http.client.HTTPConnection):
    """HTTP over a Unix socket, where the kernel says who asks."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("node", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        """Connect to the path."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))
