"""Commands about the API server."""

from __future__ import annotations

from appliance.api.management import Option, Positional
from appliance.cli.commands.command import JSON, Command

HEADING = "Management"

COMMANDS: tuple[Command, ...] = (
    Command(
        "api",
        HEADING,
        "ask an API server: this host's, or any with a token",
        "appliance.cli.api.calls:api",
        (
            Positional(
                "words", "OPERATION [NAME=TEXT|NAME:=JSON]", "what is asked; without it, what there is to ask", optional=True
            ),
            Option("--url", "the API server; without it that of this host's node, by its Unix socket", "URL"),
            Option("--token-file", "a file with the token; else the variable APPLIANCE_TOKEN", "PATH"),
            JSON,
        ),
        more="Root of a host needs no token there. The operations, their arguments and answers are those of docs/management.md.",
        exits="6 no token, or not allowed · 7 no API server here · 75 try again",
        many="words",
    ),
)
