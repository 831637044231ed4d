"""`appliance plugins`, `plugin new`, `plugin check`, and the commands that plugins bring."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.terminal import Terminal, table
from appliance.errors import ExitCode

if TYPE_CHECKING:
    from appliance.api.management import CliCommand


def plugins(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Load what the profile names, in this process, and say how each plugin is."""
    from appliance.cli.opening import open_plugins

    host = open_plugins(arguments.profile)
    document = {"plugins": host.report(), "installed": list(host.not_enabled)}
    terminal.result(document, plugins_text(document, terminal))
    return ExitCode.DEGRADED if host.broken else ExitCode.OK


def plugins_text(document: Mapping[str, Any], terminal: Terminal) -> str:
    """A line a plugin, then what failed and why, then what is installed and not used."""
    facts = document["plugins"]
    rows = [(fact["name"], fact["version"] or "-", fact["state"], ", ".join(fact["provides"]) or "-") for fact in facts]
    lines = [table(("plugin", "version", "state", "provides"), rows)] if rows else ["no plugins are enabled"]
    for fact in facts:
        if fact["problem"]:
            lines.append(f"{terminal.styled(fact['name'], 'red')}: {fact['stage']}: {fact['problem']}")
            lines += [f"    {fact['hint']}"] if fact["hint"] else []
    if document["installed"]:
        lines.append(f"installed and not enabled: {', '.join(document['installed'])}")
    return "\n".join(lines)


def plugin_new(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Write a plugin."""
    from appliance.plugin_host import scaffold

    path = scaffold.create(arguments.name, Path(arguments.directory))
    terminal.say(str(path))
    terminal.note(f"its tests pass: cd {path} && pip install -e . && pytest")
    return ExitCode.OK


def plugin_check(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Run the conformance suite."""
    from appliance.plugin_host import checking

    return int(checking.check(arguments.name, json=terminal.json))


def plugin_commands() -> dict[str, CliCommand]:
    """Commands of the plugins that the system's profile enables, by name."""
    from appliance.cli.opening import open_plugins

    return {command.name: command for command in open_plugins(None).cli_commands()}
