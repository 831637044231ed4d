"""`appliance debug trace`: which requests and streams took long of late, and where the time of one went."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from appliance.cli.api.calls import target_of
from appliance.cli.api.connection import Asked, ask
from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal, table
from appliance.errors import ExitCode
from appliance.management.operations.table import BY_NAME

SHOWN: Final = 20
"""Traces of a list."""


def trace(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print one trace step by step, or the slowest of late."""
    if arguments.trace and (arguments.name or arguments.failed):
        raise UsageError("--name and --failed choose among all traces", hint="leave TRACE out, or leave them out")
    target = target_of(arguments)
    if arguments.trace:
        found = ask(target, Asked("GET", BY_NAME["traces.get"].full_path.replace("{trace}", quote(arguments.trace, safe=""))))
        terminal.result(found, trace_text(found))
        return ExitCode.OK
    chosen = {
        "limit": SHOWN,
        **({"name": arguments.name} if arguments.name else {}),
        **({"failed": "true"} if arguments.failed else {}),
    }
    found = ask(target, Asked("GET", f"{BY_NAME['traces'].full_path}?{urlencode(chosen)}"))
    terminal.result(found, list_text(found))
    return ExitCode.OK


def list_text(found: Mapping[str, Any]) -> str:
    """A line for each trace, the slowest first."""
    rows = [
        (_ms(each["ms"]), each["at"][11:19], each["name"], each["where"], _ms(each["where_ms"]), each["error"], each["trace"])
        for each in found["items"]
    ]
    if not rows:
        return "no traces yet"
    return table(("took", "at", "what", "mostly in", "there", "error", "trace"), rows)


def trace_text(found: Mapping[str, Any]) -> str:
    """A line for each step, those within it below it."""
    rows = [
        (_ms(step["after_ms"]), _ms(step["ms"]), _ms(step["own_ms"]), "  " * step["depth"] + step["name"], _about(step))
        for step in found["items"]
    ]
    return f"{found['trace']}  {found['at']}\n{table(('after', 'took', 'itself', 'step', ''), rows)}"


def _about(step: Mapping[str, Any]) -> str:
    told = {name.rpartition(".")[2]: value for name, value in step["attributes"].items() if name in _TOLD}
    return " ".join([*([step["error"]] if step["error"] else []), *(f"{name}={value}" for name, value in told.items())])


_TOLD: Final = frozenset({"http.response.status_code", "appliance.request.id", "appliance.peer", "appliance.service"})
"""Attributes that people are shown; --json has all."""


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.1f} ms"
