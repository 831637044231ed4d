"""What plugins add to the management side: operations of the running daemon, and commands of `appliance`.

An operation (`ApiRoute`) runs in the daemon and is asked for over its control socket, by whoever may. A command (`CliCommand`)
runs in a process of its own, and asks the daemon as anybody else does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from appliance.api.node import Node
from appliance.errors import ApplianceError, ExitCode


class Principal(NamedTuple):
    """Who asks."""

    kind: str
    """How it is known: "local" (by the peer credentials of the control socket), "api" (the API server knows it and asks for it),
    or "api-server" (the API server asks for itself)."""
    name: str
    """The name of the user: of this host for "local", of the API server's users for "api"."""
    uid: int | None = None
    """The number of the user; None if it has none on this host."""
    gid: int | None = None
    """The number of the user's group."""
    pid: int | None = None
    """The process that asks."""
    roles: tuple[str, ...] = ()
    """The roles of a user of the API server, sorted."""
    request: str = ""
    """The API server's id of the request, by which its log and the node's find each other."""


class Verdict(Enum):
    """An answer to `appliance_authorize`."""

    ALLOW = "allow"
    DENY = "deny"


class Refused(ApplianceError):
    """Raised by a handler or a command: it cannot be done, and nobody made a mistake. The caller gets `message` and `hint`, and
    ends with `exit_code`."""

    def __init__(self, message: str, *, hint: str = "", exit_code: ExitCode = ExitCode.FAILURE) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


# ---- operations of the daemon ----


class RouteServices(Node, Protocol):
    """What the core gives to the handler of an operation: the node. Tasks and subscriptions end with the call."""


class ApiCall(NamedTuple):
    """One question, as its handler has it."""

    principal: Principal
    """Who asks; allowed already."""
    arguments: Any
    """An instance of the route's model, None where it has none."""
    services: RouteServices
    """The node that is asked."""


Handler = Callable[[ApiCall], Awaitable[Any]]
StreamHandler = Callable[[ApiCall], AsyncIterator[Any]]


class ApiRoute(NamedTuple):
    """One management operation, as `appliance_api_routes()` registers it.

    A handler may raise `Refused`. Anything else that it raises counts as a failure of the plugin.
    """

    name: str
    """What callers ask for: two or more words with dots between them, the first for what the plugin is about ("mesh.routes").
    Lower-case letters, digits, "-" and "_"."""
    permission: str
    """What `appliance_authorize` is asked for; "node.read" for what changes nothing."""
    handler: Handler | StreamHandler
    """Gives the answer; with `stream`, an asynchronous iterator of items. On the event loop: what computes or blocks goes through
    `asyncio.to_thread`."""
    summary: str = ""
    """A line for the admin."""
    arguments: Callable[[], type[Any]] | None = None
    """Returns the pydantic model of the arguments, by which they are judged before the handler runs. None: there are none."""
    result: Callable[[], type[Any]] | None = None
    """Returns the pydantic model of the answer, or of each item. What does not fit is a failure of the plugin. None: whatever
    JSON has."""
    seconds: float = 10.0
    """How long the answer may take, up to 600. A stream has no such limit."""
    stream: bool = False
    """The answer is a stream: an item is taken from the iterator when the caller has room for it, and the iterator is closed when
    the caller goes."""


# ---- commands ----


class Positional(NamedTuple):
    """An argument that is known by its place."""

    name: str
    """By which the command finds it."""
    metavar: str
    """What stands for it in help texts."""
    help: str
    """A line about it."""
    optional: bool = False
    """It may be left out."""


class Option(NamedTuple):
    """An argument that is known by its name."""

    flag: str
    """As it is typed: "--since"."""
    help: str
    """A line about it."""
    metavar: str = ""
    """What stands for its value in help texts. Empty: it is a switch, which has no value."""
    default: str | None = None
    """Its value if it is not given."""

    @property
    def name(self) -> str:
        """The name under which the command finds it."""
        return self.flag.lstrip("-").replace("-", "_")


class Output(Protocol):
    """Where a command writes to. With --json, standard output gets exactly one document."""

    @property
    def json(self) -> bool:
        """Was --json given?"""

    def result(self, value: Any, text: str) -> None:
        """The result: `value` as a JSON document if --json was given, otherwise `text`."""

    def say(self, text: str = "") -> None:
        """A line of the result, for people."""

    def document(self, value: Any) -> None:
        """The result for programs: the one JSON document."""

    def note(self, text: str) -> None:
        """Progress and advice, on standard error."""

    def warning(self, message: str) -> None:
        """`warning: …`, on standard error."""

    def styled(self, text: str, style: str) -> str:
        """`text` in a style ("bold", "dim", "red", "green", "yellow", "cyan"), if standard output takes colours."""

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        """Text with columns as wide as they need to be, for `say` or `result`."""


class DaemonClient(Protocol):
    """Asks the running daemon, as the user who runs this process. Programs other than commands get one from `appliance.client`.

    Whatever goes wrong is an `ApplianceError` of `appliance.api.management`: nobody listens (its `exit_code` is NO_DAEMON), the
    user may not (PERMISSION), the arguments are wrong (INVALID), the daemon refused or did not answer.
    """

    def call(self, operation: str, arguments: Mapping[str, Any] | None = None, *, seconds: float = 10.0) -> Any:
        """The answer, as JSON has it. Waits `seconds` for it at most."""

    def stream(
        self, operation: str, arguments: Mapping[str, Any] | None = None
    ) -> AbstractContextManager[Generator[Any, None, None]]:
        """The items of an answer that is a stream, one after the other, for as long as it takes; leaving the context ends it.

        with daemon.stream("mesh.changes") as changes:
            for change in changes: …
        """


class CliContext(NamedTuple):
    """What a command runs with."""

    arguments: Mapping[str, Any]
    """By name: text, True or False for a switch, None for what was not given and has no default."""
    profile: tuple[Path, ...]
    """The profile of --config, or of the running node; empty for the system's."""
    output: Output
    daemon: DaemonClient


class CliCommand(NamedTuple):
    """A command added to `appliance`, as registered by `appliance_cli_commands()`.

    `--config`, `--json` and `--help` are there without being named. What it raises is told as a failure of the plugin, but for
    `ApplianceError`s, which are told as they are.
    """

    name: str
    """One word or two, of which the first is none of the core's: "mesh", "mesh routes"."""
    summary: str
    """A line for `appliance --help`, in lower case and without a full stop."""
    run: Callable[[CliContext], int]
    """Returns the exit code, 0 to 125. Called once in a process."""
    arguments: tuple[Positional | Option, ...] = ()
    more: str = ""
    """Help for somebody who has not used it before."""
    exits: str = ""
    """Exit codes besides 0, 1 and 2, with what they mean."""


__all__ = [
    "ApiCall",
    "ApiRoute",
    "ApplianceError",
    "CliCommand",
    "CliContext",
    "DaemonClient",
    "ExitCode",
    "Handler",
    "Option",
    "Output",
    "Positional",
    "Principal",
    "Refused",
    "RouteServices",
    "StreamHandler",
    "Verdict",
]
