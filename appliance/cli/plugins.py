"""`appliance plugins`, `plugin new`, `plugin check`, and the commands that plugins bring."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from appliance.cli.terminal import Terminal, table
from appliance.control import client
from appliance.errors import ExitCode


def plugins(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Say how each plugin is: those of the running daemon, or, with a profile or without a daemon, those loaded here."""
    document = _running_plugins() if arguments.profile is None and client.daemon_runs() else _loaded(arguments.profile)
    terminal.result(document, plugins_text(document, terminal))
    return ExitCode.OK if all(fact["state"] == "active" for fact in document["plugins"]) else ExitCode.DEGRADED


def _running_plugins() -> dict[str, Any]:
    return _document(client.call("plugins"))


def _loaded(profile: str | None) -> dict[str, Any]:
    from appliance.cli.opening import open_plugins

    return _document(open_plugins(profile).report())


def _document(facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The facts of enabled plugins with what this environment knows of them, and what else is installed."""
    from appliance.foundation import plugin_folders
    from appliance.plugin_host.installed import installed
    from appliance.plugin_host.versions import said

    known = installed()
    enabled = [
        {
            **fact,
            "api": said(known[fact["name"]].entry.value) if fact["name"] in known else "",
            "installed_version": known[fact["name"]].version if fact["name"] in known else "",
        }
        for fact in facts
    ]
    refused = [reason for folder in plugin_folders.folders() if (reason := plugin_folders.distrusted(folder))]
    return {"plugins": enabled, "installed": sorted(set(known) - {fact["name"] for fact in facts}), "not_used": refused}


def plugins_text(document: Mapping[str, Any], terminal: Terminal) -> str:
    """A line a plugin, then what failed and why, then what is installed and not used."""
    facts = document["plugins"]
    rows = [
        (fact["name"], fact["version"] or "-", fact["api"] or "-", fact["state"], ", ".join(fact["provides"]) or "-")
        for fact in facts
    ]
    lines = [table(("plugin", "version", "api", "state", "provides"), rows)] if rows else ["no plugins are enabled"]
    for fact in facts:
        if fact["problem"]:
            lines.append(f"{terminal.styled(fact['name'], 'red')}: {fact['stage']}: {fact['problem']}")
            lines += [f"    {fact['hint']}"] if fact["hint"] else []
        if fact["version"] and fact["installed_version"] not in ("", fact["version"]):
            lines.append(f"{fact['name']}: version {fact['installed_version']} is installed; the node has it after a restart")
    if document["installed"]:
        names = [fact["name"] for fact in facts]
        lines.append(f"installed and not enabled: {', '.join(document['installed'])}")
        lines.append(f"    to use it, in the profile: plugins: [{', '.join((*names, *document['installed']))}]")
    lines += [f"not used: {reason}" for reason in document["not_used"]]
    return "\n".join(lines)


def plugin_new(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Write a plugin."""
    from appliance.plugin_host import scaffold

    kind = arguments.kind or kind_of(arguments.name, scaffold.KINDS)
    files = scaffold.create(arguments.name, kind, Path(arguments.directory) if arguments.directory else None)
    folder = Path(os.path.commonpath(files))
    terminal.result({"folder": str(folder), "kind": kind, "files": list(map(str, files))}, str(folder))
    terminal.note(f"a {kind} plugin that works: appliance plugin check {folder}")
    terminal.note(f"to use it as it is there: appliance plugin install --editable {folder}")
    return ExitCode.OK


def kind_of(name: str, kinds: Sequence[str]) -> str:
    """The kind that a name such as "transport-carrier-pigeon" begins with; otherwise routing, the smallest there is."""
    return next((kind for kind in kinds if name.startswith(f"{kind}-")), "routing")
