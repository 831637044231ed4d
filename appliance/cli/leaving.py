"""`appliance leave`: this host is no member of a network any more."""

from __future__ import annotations

import argparse
import shutil

from appliance.cli.network import the_folder
from appliance.cli.stopping import stop_node
from appliance.cli.terminal import Terminal
from appliance.control import client
from appliance.errors import ApplianceError, ExitCode, NoDaemon
from appliance.runtime.joined import files_made
from appliance.runtime.members.network_folder import OWNER, NetworkFolder


def leave(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Stop the node, which says goodbye and undoes what it applied; then remove what joining wrote."""
    folder = the_folder(arguments.label)
    if (folder.path / OWNER).exists() and not arguments.keep:
        raise ApplianceError(
            f"the owner's key of {folder.label} is in {folder.path}: without it nobody can make or remove members",
            hint="move it to a safe place first, or --keep everything",
        )
    stopped = _stop(folder, terminal)
    removed, left = ([], []) if arguments.keep else _remove(folder)
    document = {"label": folder.label, "stopped": stopped, "removed": removed, "left": left}
    terminal.result(document, f"left {folder.label}" + (": all is kept, `appliance run` returns" if arguments.keep else ""))
    for path in left:
        terminal.note(f"{path} was changed since it was written, and stays: take its section mesh out")
    if not arguments.keep:
        terminal.note(
            f"The others know this host's certificate until it ends, or `appliance network revoke` is run in {folder.label}."
        )
    return ExitCode.OK


def _stop(folder: NetworkFolder, terminal: Terminal) -> bool:
    """Stop the node that runs, if it is a member of this network, and wait until it is gone. False: there was none."""
    try:
        network = client.call("status").get("mesh") or {}
        if network.get("label") != folder.label:
            return False
        terminal.note("stopping the node")
        stop_node()
    except NoDaemon:
        return False
    return True


def _remove(folder: NetworkFolder) -> tuple[list[str], list[str]]:
    """Remove the files that `join` made, and the folder. What somebody has changed since is left."""
    made = files_made(folder)
    for path, as_made in made.items():
        if as_made:
            path.unlink()
    shutil.rmtree(folder.path)
    removed = [str(path) for path, as_made in made.items() if as_made]
    return [*removed, str(folder.path)], [str(path) for path, as_made in made.items() if not as_made]
