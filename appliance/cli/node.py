"""`appliance status` and `version`: what the running node says about itself."""

from __future__ import annotations

import argparse

from appliance import __version__
from appliance.cli.status_text import status_text
from appliance.cli.terminal import Terminal
from appliance.control import client
from appliance.errors import ExitCode


def status(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print the daemon's status; with --watch again and again."""
    if arguments.watch:
        from appliance.cli.follow import watch

        return watch("status", terminal, lambda answer: status_text(answer, terminal))
    answer = client.call("status")
    terminal.result(answer, status_text(answer, terminal) if not terminal.json else "")
    return ExitCode.OK if answer.get("state") == "running" else ExitCode.DEGRADED


def version(arguments: argparse.Namespace, terminal: Terminal) -> int:  # noqa: ARG001 - the shape of every command
    """Print the version of this command. (`status` tells that of a running daemon.)"""
    from appliance.api import API_MINOR, API_VERSION

    api = f"{API_VERSION}.{API_MINOR}"
    terminal.result({"version": __version__, "api": api, "profile": 1, "protocol": 1}, f"appliance {__version__}")
    return ExitCode.OK
