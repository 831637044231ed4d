"""Asks the daemon of this network namespace over its control socket: one JSON object a line, each way.

Blocking and on the standard library alone, because `appliance status` should be quick. The kernel tells the daemon who asks
(SO_PEERCRED), so nothing is sent for that.

    {"op": "status", "args": {}}   →   {"ok": true, "result": …}
                                       {"ok": false, "error": {"code": …, "message": …, "hint": …, "exit": n}}
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any

from appliance.errors import ApplianceError, ExitCode, MissingPrivilege, NoDaemon
from appliance.runtime import places

ANSWER_TIMEOUT = 10.0
"""Seconds. The daemon answers from memory in milliseconds; only a reload takes longer, and says so with its own figure."""
ALIVE_TIMEOUT = 5.0
"""Seconds for a first, small question before one whose answer may take long."""
CONNECT_TIMEOUT = 2.0
"""Seconds. Connecting waits only when the daemon's backlog is full."""
MAX_ANSWER_BYTES = 64 << 20
"""About a hundred times the status of a node with a thousand sessions."""


class ControlError(ApplianceError):
    """The daemon refused or failed. `code` is its name for the reason; `exit_code` what the command ends with; `problems` are
    those of an invalid profile, as the daemon's `LocatedProblem`s say them."""

    problems: tuple[Mapping[str, Any], ...] = ()

    def __init__(self, code: str, message: str, *, hint: str = "", exit_code: ExitCode = ExitCode.FAILURE) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.exit_code = exit_code
        self.retryable = exit_code == ExitCode.RETRY


def call(op: str, args: dict[str, Any] | None = None, *, timeout: float = ANSWER_TIMEOUT, address: str | None = None) -> Any:
    """Ask once and return the result. `timeout` in seconds bounds the wait for the answer.

    Raises NoDaemon when nobody listens, MissingPrivilege when the daemon does not know us, ControlError for everything else
    that it or the wait came to.
    """
    if timeout > ANSWER_TIMEOUT:  # a daemon that stands still is found out now
        call("health", timeout=ALIVE_TIMEOUT, address=address)
    with connect(address) as connection:
        connection.settimeout(timeout)
        try:
            connection.sendall(json.dumps({"op": op, "args": args or {}}).encode() + b"\n")
            line = _read_line(connection)
        except TimeoutError as error:
            raise ControlError(
                "timeout",
                f"the daemon took the question ({op}) but did not answer within {timeout:g} s",
                hint="look at its log; if it hangs, kill -9 it: the next start or `appliance rollback` puts the host right",
                exit_code=ExitCode.RETRY,
            ) from error
        except ConnectionError as error:
            raise _hung_up() from error
    return _result(line)


def connect(address: str | None = None) -> socket.socket:
    """A connected control socket. Raises NoDaemon or MissingPrivilege."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(CONNECT_TIMEOUT)
    try:
        connection.connect(address or places.control_address())
    except PermissionError as error:
        connection.close()
        raise MissingPrivilege(
            "the daemon's control socket refused this user", hint="ask as root, or as a member of the profile's control.group"
        ) from error
    except TimeoutError as error:
        connection.close()
        raise ControlError(
            "busy",
            "the daemon does not take new questions",
            hint="try again in a moment; look at its log",
            exit_code=ExitCode.RETRY,
        ) from error
    except OSError as error:
        connection.close()
        raise NoDaemon(
            "no appliance daemon runs in this network namespace",
            hint="start one with `appliance run PROFILE` (or systemctl start appliance); "
            "one in another namespace is asked with `ip netns exec NAME appliance …`",
        ) from error
    return connection


def daemon_runs(address: str | None = None) -> bool:
    """Does a daemon listen in this network namespace?"""
    try:
        connect(address).close()
    except NoDaemon:
        return False
    return True


def _read_line(connection: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        piece = connection.recv(1 << 18)
        if not piece:
            raise _hung_up()
        received += piece
        if len(received) > MAX_ANSWER_BYTES:
            raise ControlError("answer-too-long", f"the daemon's answer is longer than {MAX_ANSWER_BYTES >> 20} MiB")
    return bytes(received)


def _result(line: bytes) -> Any:
    try:
        answer = json.loads(line)
        if answer["ok"]:
            return answer["result"]
        error = answer["error"]
        code, message, hint = str(error["code"]), str(error["message"]), str(error.get("hint") or "")
        exit_code = ExitCode(error.get("exit", ExitCode.FAILURE))
        problems = tuple(dict(problem) for problem in error.get("problems") or ())
    except (ValueError, KeyError, TypeError) as error:
        raise ControlError(
            "not-understood",
            "the daemon's answer was not understood",
            hint="are daemon and command of the same version? see `appliance version`",
        ) from error
    refusal = ControlError(code, message, hint=hint, exit_code=exit_code)
    refusal.problems = problems
    raise refusal


def _hung_up() -> ControlError:
    return ControlError(
        "hung-up",
        "the daemon ended the connection before it answered",
        hint="look at its log; `appliance status` tells whether it still runs",
        exit_code=ExitCode.RETRY,
    )
