"""The command: a whole screen, or one snapshot for scripts."""

from __future__ import annotations

import argparse
import os
import select
import sys
from typing import Final

from appliance.cli.parser import UsageError, seconds_of
from appliance.cli.terminal import Terminal, table
from appliance.cli.top.looking import Looking
from appliance.cli.top.snapshot import snapshot
from appliance.cli.top.views import VIEWS, head
from appliance.errors import ApplianceError, ExitCode

LEAST: Final = 0.2
MOST: Final = 3600.0
"""Seconds between two looks."""
DEFAULT: Final = "1s"


class NoScreen(ApplianceError):
    """There is no terminal to draw on, or the library that draws is not installed."""

    exit_code = ExitCode.INVALID


def top(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Show the node until somebody quits; with --once or --json one snapshot."""
    every = seconds_of(arguments.every, "--every")
    if not LEAST <= every <= MOST:
        raise UsageError("--every: that is not between 0.2s and 1h", hint="for example --every 2s")
    if arguments.once or terminal.json:
        return _once(every, terminal)
    if not (terminal.out_is_tty and sys.stdin.isatty()) or os.environ.get("TERM", "dumb") == "dumb":
        raise NoScreen("there is no terminal to draw on", hint="`appliance top --once` prints the figures, --json for programs")
    try:
        from appliance.cli.top.app import Top
    except ImportError as error:
        raise NoScreen(
            f"appliance top draws with textual 6 or later, which is not installed ({error})",
            hint="pip install 'appliance-core[top]'; `appliance top --once` works without",
        ) from error

    with Looking():  # where nobody answers, that is an error of this command, and not a picture
        pass
    return Top(every).run() or ExitCode.OK


def _once(every: float, terminal: Terminal) -> int:
    with Looking() as looking:
        before = looking.look()
    select.select([], [], [], every)
    with Looking() as looking:  # the node hangs up on who is silent for long
        found = snapshot(before, looking.look())
    blocks = ["\n".join(head(found))]
    for view in VIEWS:
        rows = [view.cells(row) for row in view.rows(found)]
        blocks.append(table([column.title for column in view.columns], rows) if rows else view.empty)
    terminal.result(found, "\n\n".join(blocks))
    return ExitCode.OK if found["state"] == "running" else ExitCode.DEGRADED
