"""`appliance plugin install` and `plugin uninstall`."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from appliance.cli.terminal import Terminal
from appliance.control import client
from appliance.errors import ApplianceError, ExitCode

if TYPE_CHECKING:
    from appliance.plugin_host.installing import Installation

LINES_SHOWN = 12
"""Of what pip printed, for whoever has to mend a build."""


def install(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Install a plugin, then say how a profile uses it."""
    from appliance.plugin_host import installing, pip

    try:
        done = installing.install(arguments.target, terminal.note, editable=arguments.editable)
    except pip.PipFailed as error:
        for line in error.output.rstrip().splitlines()[-LINES_SHOWN:]:
            terminal.note(f"  | {line}")
        raise
    document = done._asdict() | {"plugins": list(done.plugins), "brought": list(done.brought)}
    terminal.result(document, installed_text(done))
    for fact in done.plugins:
        terminal.note(next_step(str(fact["name"]), done.replaced, _running()))
    return ExitCode.OK


def installed_text(done: Installation) -> str:
    """What is there now, and what each plugin of it provides."""
    before = f", in place of {done.replaced}" if done.replaced else ""
    lines = [f"installed {done.distribution} {done.version}{before} in {done.folder}"]
    lines += [f"  {fact['name']}: {', '.join(fact['provides']) or 'hooks only'}" for fact in done.plugins]
    return "\n".join(lines)


def next_step(name: str, replaced: str, running: list[dict[str, Any]]) -> str:
    """What is to be done before a node uses the plugin."""
    fact = next((fact for fact in running if fact["name"] == name), None)
    if fact is None:
        return f"installed is not enabled: add {name} to `plugins` in the profile, then `appliance apply`"
    if fact["state"] == "failed":
        return "the running node names it and does without it so far: `appliance apply` takes it over"
    return f"the running node has {replaced or 'it'} loaded until it is restarted"


def uninstall(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Take a plugin out, unless the running node uses it."""
    from appliance.foundation import places
    from appliance.foundation.places import INSTANCE_VARIABLE as INSTANCE
    from appliance.plugin_host import installing
    from appliance.plugin_host.storage import kept_by

    used = {fact["name"] for fact in _running()}
    if names := sorted(used & set(installing.plugins_of(arguments.name))):
        raise installing.PluginRefused(
            f"the running node uses {', '.join(names)}",
            hint="take it out of `plugins` in the profile (or /etc/appliance/plugins.toml) and apply that first",
        )
    distribution, plugins = installing.uninstall(arguments.name)
    kept = [str(folder) for plugin in plugins for folder in kept_by(plugin, places.kept_dir({**os.environ, INSTANCE: ""}))]
    terminal.result({"distribution": distribution, "plugins": list(plugins), "kept": kept}, f"{distribution} is gone")
    for folder in kept:
        terminal.note(f"what it kept is still there: {folder}")
    return ExitCode.OK


def _running() -> list[dict[str, Any]]:
    """The facts of the running node's plugins; none without one, or where this user may not ask."""
    if not client.daemon_runs():
        return []
    try:
        facts: list[dict[str, Any]] = client.call("plugins")
    except ApplianceError:
        return []
    return facts
