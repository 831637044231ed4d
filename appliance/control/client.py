"""Asks the daemon of this network namespace over its control socket (what is said: `control.messages`).

Blocking and on the standard library alone, because `appliance status` should be quick. The kernel tells each side who is at the
other end (SO_PEERCRED): the daemon learns who asks, and we learn that it is root's daemon, or our own, which answers.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Generator, Mapping
from contextlib import suppress
from typing import Any, Self

from appliance.control.callers import is_ours, name_of, user_of
from appliance.control.messages import Answer, FromNode, Item, Lost, NotUnderstood, Question, Refusal, from_node, line_of
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

Address = str | tuple[str, ...]
"""Where a daemon listens, or may listen: of several, the first that answers."""


class ControlError(ApplianceError):
    """The daemon refused or failed. `code` is its name for the reason, `exit_code` what the command ends with, `told` its whole
    document, where it is its error."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        exit_code: ExitCode = ExitCode.FAILURE,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.exit_code = exit_code
        self.retryable = exit_code == ExitCode.RETRY
        self.told = told or {}

    def document(self) -> dict[str, Any]:
        """With all that the daemon told."""
        return {**self.told, **super().document()}


def call(
    op: str,
    args: Mapping[str, Any] | None = None,
    *,
    body: bytes = b"",
    timeout: float = ANSWER_TIMEOUT,
    address: Address | None = None,
) -> Any:
    """Ask once and return the result. `body` follows the question; `timeout` in seconds bounds the wait for the answer.

    Raises NoDaemon when nobody listens, MissingPrivilege when the daemon does not know us, ProfileInvalid when it says that of a
    profile, ControlError for everything else that it or the wait came to.
    """
    if timeout > ANSWER_TIMEOUT:  # a daemon that stands still is found out now
        call("health", timeout=ALIVE_TIMEOUT, address=address)
    with Connection(address, timeout) as connection:
        return connection.call(op, args, body)


def stream(
    op: str, args: Mapping[str, Any] | None = None, *, address: Address | None = None
) -> Generator[Item | Lost, None, None]:
    """Ask for an answer that is a stream, and yield its items until it ends; closing the iterator ends it too.

    Raises what `call` raises. Waits for the next item as long as it takes.
    """
    with Connection(address, ANSWER_TIMEOUT) as connection:
        connection.ask(Question(op, args or {}))
        connection.wait_for_ever()
        while not isinstance(message := connection.hear(op), Answer):
            if isinstance(message, Refusal):
                raise error_of(message.error)
            yield message


class Connection:
    """A connection to the daemon. Each wait is bounded by `timeout` seconds. Raises NoDaemon, MissingPrivilege, ControlError."""

    def __init__(self, address: Address | socket.socket | None = None, timeout: float = ANSWER_TIMEOUT) -> None:
        """A socket that is connected already is taken over."""
        self._socket = address if isinstance(address, socket.socket) else connect(address)
        self._timeout = timeout
        self._socket.settimeout(timeout)
        self._received = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up, which ends what is under way."""
        self._socket.close()

    def wait_for_ever(self) -> None:
        """Wait for the next message as long as it takes."""
        self._socket.settimeout(None)

    def has_said(self, seconds: float) -> bool:
        """Has the daemon said something, or hung up, before so many seconds are over?"""
        return b"\n" in self._received or bool(select.select([self._socket], [], [], seconds)[0])

    def call(self, op: str, args: Mapping[str, Any] | None = None, body: bytes = b"") -> Any:
        """Ask, and return the result. Raises what the function of this name raises."""
        self.ask(Question(op, args or {}, body=len(body)), body)
        match self.hear(op):
            case Answer(_, result):
                return result
            case Refusal(_, error):
                raise error_of(error)
            case _:
                raise _not_understood()

    def ask(self, question: Question, body: bytes = b"") -> None:
        """Say a question, with what follows it."""
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all was said: why is there to be read
            try:
                self._socket.sendall(line_of(question) + body)
            except TimeoutError as error:
                raise self._late(question.op) from error

    def hear(self, op: str) -> FromNode:
        """What is said next; errors about it name `op`."""
        try:
            return from_node(self._line())
        except NotUnderstood as error:
            raise _not_understood() from error
        except TimeoutError as error:
            raise self._late(op) from error
        except ConnectionError as error:
            raise _hung_up() from error

    def _line(self) -> bytes:
        end, looked = -1, 0
        while (end := self._received.find(b"\n", looked)) < 0:
            looked = len(self._received)
            if looked > MAX_ANSWER_BYTES:
                raise ControlError("answer-too-long", f"the daemon's answer is longer than {MAX_ANSWER_BYTES >> 20} MiB")
            piece = self._socket.recv(1 << 18)
            if not piece:
                raise _hung_up()
            self._received += piece
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def _late(self, op: str) -> ControlError:
        return ControlError(
            "timeout",
            f"the daemon took the question ({op}) but did not answer within {self._timeout:g} s",
            hint="look at its log; if it hangs, kill -9 it: the next start or `appliance rollback` puts the host right",
            exit_code=ExitCode.RETRY,
        )


def connect(address: Address | None = None) -> socket.socket:
    """A connected control socket, of a daemon and of nobody else. Raises NoDaemon, MissingPrivilege or ControlError."""
    problem: ApplianceError | None = None
    for one in places.control_addresses() if address is None else (address,) if isinstance(address, str) else address:
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
        problem = _nobody()
    connection.close()
    raise problem


def _connect(connection: socket.socket, address: str) -> int:
    """Connect, and return the user who listens. If a stranger listens and has no room for callers, it does not wait. Raises
    OSError."""
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


def daemon_runs(address: Address | None = None) -> bool:
    """Does a daemon listen in this network namespace?"""
    try:
        connect(address).close()
    except NoDaemon:
        return False
    return True


def error_of(document: Mapping[str, Any]) -> ApplianceError:
    """The error that a daemon's document tells of."""
    if "problems" in document:
        from appliance.profile.problems import ProfileInvalid

        with suppress(KeyError, TypeError, ValueError):
            return ProfileInvalid.of(document)
    try:
        code, message, hint = str(document["code"]), str(document["message"]), str(document.get("hint") or "")
        exit_code = ExitCode(document.get("exit", ExitCode.FAILURE))
        return ControlError(code, message, hint=hint, exit_code=exit_code, told=document)
    except (KeyError, ValueError):
        return _not_understood()


def _not_understood() -> ControlError:
    return ControlError(
        "not-understood",
        "the daemon's answer was not understood",
        hint="are daemon and command of the same version? see `appliance version`",
    )


def _nobody() -> NoDaemon:
    name, others = places.instance(), places.listening_instances()
    hint = "start one with `appliance run PROFILE` (or systemctl start appliance)"
    if name:
        hint = f"start it with `appliance --instance {name} run PROFILE` (or systemctl start appliance@{name})"
    if others := [other for other in others if other != name]:
        hint += f"; here are instances: {', '.join(others)} (`appliance --instance {others[0]} …`)"
    return NoDaemon(
        f"no appliance daemon{name and f' {name}'} runs in this network namespace",
        hint=f"{hint}; one in another namespace is asked with `ip netns exec NAME appliance …`",
    )


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
