"""Commands for applications: how programs reach each other by way of the node."""

from __future__ import annotations

from appliance.cli.commands.command import Command

HEADING = "Applications"

COMMANDS: tuple[Command, ...] = ()
