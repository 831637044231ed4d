"""Commands for applications: how programs reach each other by way of the node."""

from __future__ import annotations

from appliance.api.management import Option, Positional
from appliance.cli.commands.command import JSON, Command

HEADING = "Applications"

COMMANDS: tuple[Command, ...] = (
    Command(
        "connect",
        HEADING,
        "talk with a service of a peer: standard input goes there, what it says comes out",
        "appliance.cli.streaming:connect",
        (
            Positional("peer", "PEER", "who: a name or an identity"),
            Positional("service", "SERVICE|PORT", "what is served there, or a port of its overlay address"),
            Option("--metadata", "what the service is told besides, with commas between", "NAME=TEXT"),
            Option("--timeout", "how long opening may take", "DURATION", default="5s"),
        ),
        more="The end of standard input is the end of one direction only: what the service still says comes out. The stream is "
        "TCP inside the overlay, encrypted from node to node.",
        exits="6 not allowed · 7 no daemon here · 75 not reached now",
    ),
    Command(
        "serve",
        HEADING,
        "let peers have a service of this host",
        "appliance.cli.streaming:serve",
        (
            Positional(
                "service", "SERVICE", "its name: small letters, digits, dots, dashes and underscores; `echo` sends all back"
            ),
            Option("--to", "a server of this host that is behind it", "HOST:PORT"),
            Option("--run", "a program that is started for each stream, which is its standard input and output", "PROGRAM"),
            JSON,
        ),
        more="Until Ctrl-C, or the node ends.",
        exits="6 not allowed · 7 no daemon here",
    ),
)
