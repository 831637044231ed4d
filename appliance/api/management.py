"""Values of the management side: who asks, what is asked, and what plugins add."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple


class Principal(NamedTuple):
    """Who asks. `kind` is "local" (peer credentials of the control socket) or, later, "token"; `name` is the user's name."""

    kind: str
    name: str
    uid: int | None = None
    gid: int | None = None
    pid: int | None = None


class Verdict(Enum):
    """An answer to `appliance_authorize`."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """One management operation: `handler(arguments) -> result`, JSON-able on both sides, guarded by `permission`."""

    name: str
    permission: str
    handler: Callable[[Mapping[str, Any]], Awaitable[Any]]
    summary: str = ""


@dataclass(frozen=True, slots=True)
class CliCommand:
    """A command added to `appliance`: `run(argv)` returns the exit code."""

    name: str
    summary: str
    run: Callable[[list[str]], int]
