"""Commands for identities."""

from __future__ import annotations

from appliance.api.management import Positional
from appliance.cli.commands.command import JSON, Command

HEADING = "Identities"

COMMANDS = (
    Command(
        "keys new",
        HEADING,
        "make a new identity",
        "appliance.cli.keys:new",
        (Positional("path", "PATH", "the file to write, readable by you alone"), JSON),
        more="Never overwrites a file. Prints the identity that other nodes put into their profiles; the file itself stays "
        "secret.",
    ),
    Command(
        "keys show",
        HEADING,
        "print the identity of a key file",
        "appliance.cli.keys:show",
        (Positional("path", "PATH", "a file written by `appliance keys new`"), JSON),
    ),
)
