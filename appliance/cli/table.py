"""Every command with its arguments, as data. The parser, `--help` and docs/cli.md are made from this table.

The code of a command is named by an import path, and loaded when that command runs: `appliance status` loads nothing else.
"""

from __future__ import annotations

from appliance.cli.commands import (
    applications,
    audit,
    dht,
    host,
    keys,
    management,
    network,
    plugins,
    profile,
    rendezvous,
    store,
    trying,
    watching,
)
from appliance.cli.commands.command import Command

COMMANDS: tuple[Command, ...] = (
    *profile.COMMANDS,
    *host.COMMANDS,
    *watching.COMMANDS,
    *keys.COMMANDS,
    *network.COMMANDS,
    *rendezvous.COMMANDS,
    *dht.COMMANDS,
    *applications.COMMANDS,
    *management.COMMANDS,
    *audit.COMMANDS,
    *store.COMMANDS,
    *plugins.COMMANDS,
    *trying.COMMANDS,
)
GROUPS = tuple(dict.fromkeys(command.group for command in COMMANDS))
"""The headings, in order."""


def find(words: list[str]) -> tuple[Command, list[str]] | None:
    """The command that `words` begin with, and the words behind it. None if there is no such command."""
    for length in (2, 1):
        typed = " ".join(words[:length])
        for command in COMMANDS:
            if command.words == typed and len(words) >= length:
                return command, words[length:]
    return None
