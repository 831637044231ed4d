"""Commands that write and read a profile."""

from __future__ import annotations

from appliance.api.management import Option, Positional
from appliance.cli.commands.command import FROM_PROFILE, JSON, NEW_PROFILE, Command

HEADING = "Write a profile"

COMMANDS = (
    Command(
        "init",
        HEADING,
        "write a commented starter profile",
        "appliance.cli.profile:init",
        (
            Positional("profile", "PATH", f"where to write it; - for standard output; default {NEW_PROFILE}", optional=True),
            Option("--name", "the node's name; default: this host's", "NAME"),
        ),
        more="Never overwrites a file. Edit the result, make an identity with `appliance keys new`, then `appliance check`.",
    ),
    Command(
        "check",
        HEADING,
        "read a profile and name everything that is wrong with it",
        "appliance.cli.profile:check",
        (*FROM_PROFILE, JSON),
        more="Works offline and without privileges; changes nothing. All problems are shown at once, each with file, line and "
        "column.",
    ),
    Command(
        "config show",
        HEADING,
        "show each key with its value and where that comes from",
        "appliance.cli.profile:config_show",
        (*FROM_PROFILE, JSON),
        more="The origin is a file with line and column, a variable, a credential, or `default`. Secrets are hidden.",
    ),
    Command(
        "schema",
        HEADING,
        "print the JSON Schema of profiles",
        "appliance.cli.profile:schema",
        more="For editors: `# yaml-language-server: $schema=FILE` as a profile's first line. Sections of enabled plugins are in "
        "it.",
    ),
)
