"""The error tree: whose fault it is, at which stage, and what to do about it.

Every error that may reach a person carries a `hint`: one sentence that says what to do. Errors never carry keys, tokens or
packet contents. `exit_code` is what the command line ends with when the error is the reason it ends.
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import PurePath
from types import TracebackType
from typing import Any


class ExitCode(IntEnum):
    """How an `appliance` command ends (sysexits.h for 75)."""

    OK = 0
    FAILURE = 1
    INVALID = 2
    CHANGES_PENDING = 3
    ROLLED_BACK = 4
    DEGRADED = 5
    PERMISSION = 6
    NO_DAEMON = 7
    WITHHELD = 8
    """Nothing was done, and nothing will be until a person decides."""
    UNFIT = 9
    """The profile may be right, but this host, as it is now, cannot be what it says."""
    RETRY = 75


class ApplianceError(Exception):
    """Root of everything the appliance raises on purpose.

    `message` says what happened, `hint` what the reader can do. `code` is its name for programs: the class's, unless it says
    otherwise. `retryable` is true when the same call may succeed later.
    """

    exit_code: ExitCode = ExitCode.FAILURE
    retryable: bool = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.code = type(self).__name__
        self.message = message
        self.hint = hint

    def document(self) -> dict[str, Any]:
        """For programs, JSON-able: code, message, hint, exit; subclasses add what they know."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "exit": int(self.exit_code)}

    def text(self, *, color: bool = False) -> str:
        """For people: what the command line says, and a log where the whole of it is wanted. Ends without a newline."""
        red, cyan, plain = ("\033[31m", "\033[36m", "\033[0m") if color else ("", "", "")
        said = f"{red}error:{plain} {self.message}"
        return f"{said}\n{cyan}hint:{plain} {self.hint}" if self.hint else said


class ProfileError(ApplianceError):
    """The profile is wrong. Raised by `appliance.profile` with every problem at once (see `profile.problems`)."""

    exit_code = ExitCode.INVALID


class PlanError(ApplianceError):
    """The profile is well-formed but cannot become a plan on this host as it is now: at boot that may pass."""

    exit_code = ExitCode.UNFIT


class ApplyError(ApplianceError):
    """A step failed on the host. What had been done was undone unless the message says otherwise."""

    exit_code = ExitCode.ROLLED_BACK


class HostError(ApplianceError):
    """The kernel or the file system refused something outside a plan's steps."""


class MissingPrivilege(ApplianceError):
    """The process may not do what was asked of it."""

    exit_code = ExitCode.PERMISSION


class NoDaemon(ApplianceError):
    """No daemon answers in this network namespace."""

    exit_code = ExitCode.NO_DAEMON


class PeerFault(ApplianceError):
    """A peer broke the protocol. Judged and counted in one place; never shown to the peer."""


class LocalFault(ApplianceError):
    """We broke the protocol ourselves: a bug, never retried."""


class PluginFault(ApplianceError):
    """A plugin could not be imported, registered twice, or raised. `plugin` names it; the rest works on."""

    def __init__(self, plugin: str, message: str, *, hint: str = "") -> None:
        super().__init__(f"plugin {plugin}: {message}", hint=hint)
        self.plugin = plugin


def place_of(error: BaseException) -> str:
    """What a mistake of ours was and where: "KeyError at inbound.py:120, peers.py:95". Not its text, which may hold what a peer
    sent, or a secret. How Python imports a module is left out, as in its own tracebacks."""
    places: list[str] = []
    at: TracebackType | None = error.__traceback__
    while at is not None:
        file = at.tb_frame.f_code.co_filename
        if not file.startswith("<frozen importlib"):
            places.append(f"{PurePath(file).name}:{at.tb_lineno}")
        at = at.tb_next
    return f"{type(error).__name__} at {', '.join(places[-3:]) or 'a place unknown'}"
