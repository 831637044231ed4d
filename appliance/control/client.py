"""Asks the daemon of this network namespace over its control socket: one JSON object a line, each way.

Blocking and on the standard library alone, because `appliance status` should be quick. The kernel tells each side who is at the
other end (SO_PEERCRED): the daemon learns who asks, and we learn that it is root's daemon, or our own, which answers.

    {"op": "status", "args": {}}   →   {"ok": true, "result": …}
                                       {"ok": false, "error": {"code": …, "message": …, "hint": …, "exit": n}}
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from appliance.control.callers import is_ours, name_of, user_of
from appliance.errors import ApplianceError, ExitCode, MissingPrivilege, NoDaemon
from appliance.foundation import places
from appliance.linux.unix_listeners import listener_uid

ANSWER_TIMEOUT = 10.0
"""Seconds. The daemon answers from memory in milliseconds; only a reload takes longer, and says so with its own figure."""
ALIVE_TIMEOUT = 5.0
"""Seconds for a first, small question before one whose answer may take long."""
CONNECT_SECONDS = 2
"""Connecting waits only when the daemon's backlog is full."""
MAX_ANSWER_BYTES = 64 << 20
"""About a hundred times the status of a node with a thousand sessions."""
_TIMEVAL = struct.Struct("ll")


class ControlError(ApplianceError):
    """The daemon refused or failed. `code` is its name for the reason; `exit_code` what the command ends with; `problems` are
    those of an invalid profile, as the daemon's `LocatedProblem`s say them."""

    problems: tuple[Mapping[str, Any], ...] = ()

    def __init__(self, code: str, message: str, *, hint: str = "", exit_code: ExitCode = ExitCode.FAILURE) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.exit_code = exit_code
        self.retryable = exit_code == ExitCode.RETRY


def call(
    op: str,
    args: dict[str, Any] | None = None,
    *,
    body: bytes = b"",
    timeout: float = ANSWER_TIMEOUT,
    address: str | None = None,
) -> Any:
    """Ask once and return the result. `body` follows the question; `timeout` in seconds bounds the wait for the answer.

    Raises NoDaemon when nobody listens, MissingPrivilege when the daemon does not know us, ControlError for everything else
    that it or the wait came to.
    """
    if timeout > ANSWER_TIMEOUT:  # a daemon that stands still is found out now
        call("health", timeout=ALIVE_TIMEOUT, address=address)
    with connect(address) as connection:
        connection.settimeout(timeout)
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # refused before all was said: why is there to be read
                connection.sendall(_question(op, args or {}, body))
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


def _question(op: str, args: dict[str, Any], body: bytes) -> bytes:
    question = {"op": op, "args": args} | ({"body": len(body)} if body else {})
    return json.dumps(question).encode() + b"\n" + body


def connect(address: str | None = None) -> socket.socket:
    """A connected control socket, of a daemon and of nobody else. Raises NoDaemon, MissingPrivilege or ControlError."""
    problem: ApplianceError | None = None
    for one in [address] if address else [places.control_address(), *map(str, places.control_paths())]:
        try:
            return _connected(one)
        except NoDaemon as error:
            problem = problem or error
        except ApplianceError as error:
            problem = error
    assert problem is not None
    raise problem


def _connected(address: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        holder = _connect(connection, address)
        if is_ours(holder):
            return connection
        problem: ApplianceError = _stranger(holder)
    except PermissionError:
        problem = MissingPrivilege(
            "the daemon's control socket refused this user", hint="ask as root, or as a member of the profile's control.group"
        )
    except BlockingIOError:
        problem = _silent()
    except OSError:
        problem = NoDaemon(
            "no appliance daemon runs in this network namespace",
            hint="start one with `appliance run PROFILE` (or systemctl start appliance); "
            "one in another namespace is asked with `ip netns exec NAME appliance …`",
        )
    connection.close()
    raise problem


def _connect(connection: socket.socket, address: str) -> int:
    """Connect; the user who listens. A stranger's full backlog is not waited for. Raises OSError."""
    connection.setblocking(False)  # noqa: FBT003
    try:
        connection.connect(address)
    except BlockingIOError:
        holder = listener_uid(address)
        if holder is not None and not is_ours(holder):
            return holder
        # Python's own time limits would not make the kernel wait for a place in the backlog.
        connection.setblocking(True)  # noqa: FBT003
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(CONNECT_SECONDS, 0))
        connection.connect(address)
    return user_of(connection)


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


def _stranger(uid: int) -> NoDaemon:
    return NoDaemon(
        f"no appliance daemon runs in this network namespace: user {name_of(uid)} holds the name of its control socket",
        hint="that is no daemon of ours (`ss -xlp | grep @appliance` shows the process), and hinders none: start it as ever",
    )


def _silent() -> ControlError:
    return ControlError(
        "busy",
        "the daemon does not take new questions",
        hint="try again in a moment; look at its log",
        exit_code=ExitCode.RETRY,
    )


def _hung_up() -> ControlError:
    return ControlError(
        "hung-up",
        "the daemon ended the connection before it answered",
        hint="look at its log; `appliance status` tells whether it still runs",
        exit_code=ExitCode.RETRY,
    )
