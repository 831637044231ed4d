"""Commands that enabled plugins bring: found, shown in help and completion, and run with what they need."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from appliance.api import ENTRY_POINT_GROUP, STANDARD_PLUGINS
from appliance.api.management import CliCommand, CliContext
from appliance.cli import parser, table
from appliance.cli.commands.command import CONFIG, JSON, Command
from appliance.cli.terminal import Terminal
from appliance.errors import ApplianceError, PluginFault

if TYPE_CHECKING:
    from appliance.plugin_host import PluginHost

GROUP = "Commands of plugins"
WITHOUT_COMMANDS = frozenset(
    {
        *STANDARD_PLUGINS,
        "cache-redis",
        "discovery-libp2p",
        "discovery-mdns",
        "export-mqtt",
        "export-nats",
        "export-webhook",
        "gateway-graphql",
        "login-oidc",
        "server-signalling",
        "store-postgresql",
        "transport-quic",
        "transport-websocket",
    }
)
"""Plugins that come with the appliance and bring none: to load them takes half a second."""
LAST_CODE = 125
"""The largest exit code of a command's own; a shell gives the others a meaning."""


class Found(NamedTuple):
    """A command of `plugin`: what it brought, and the same as one of the table's."""

    plugin: str
    brought: CliCommand
    command: Command


def found(config: str | None) -> dict[str, Found]:
    """The commands of the plugins that a profile enables: the named one, else that of the running node, else the system's."""
    if not _others_installed():
        return {}
    from appliance.cli.opening import open_plugins, quietly_chosen

    host = open_plugins(quietly_chosen(config))
    return {name: Found(plugin, command, _of_the_table(command)) for name, (plugin, command) in _free(host).items()}


def find(words: list[str], known: Mapping[str, Found]) -> tuple[Found, list[str]] | None:
    """The command that `words` begin with and the words after it."""
    for length in (2, 1):
        command = known.get(" ".join(words[:length]))
        if command is not None and len(words) >= length:
            return command, words[length:]
    return None


def run(found: Found, words: list[str], config: str | None, terminal: Terminal) -> int:
    """Run it. Raises UsageError, what the command says on purpose, and PluginFault for whatever else goes wrong in it."""
    from appliance.cli.opening import quietly_chosen
    from appliance.client import Client
    from appliance.plugin_host.calling import describe

    arguments = vars(parser.parse(found.command, words, config))
    profile = quietly_chosen(arguments["config"] or config)
    own = {argument.name: arguments[argument.name] for argument in found.brought.arguments}
    context = CliContext(own, (Path(profile),) if profile else (), terminal, Client())
    try:
        code: object = found.brought.run(context)
    except (ApplianceError, KeyboardInterrupt):
        raise
    except SystemExit as end:
        code = end.code or 0
    except Exception as error:
        raise PluginFault(found.plugin, f"appliance {found.command.words}: {describe(error)}") from error
    if type(code) is not int or not 0 <= code <= LAST_CODE:
        raise PluginFault(found.plugin, f"appliance {found.command.words} ended with {code!r}, wanted 0 to {LAST_CODE}")
    return code


def _others_installed() -> bool:
    """Are there plugins that may bring commands?"""
    from importlib.metadata import entry_points

    return any(entry.name not in WITHOUT_COMMANDS for entry in entry_points(group=ENTRY_POINT_GROUP))


def _free(host: PluginHost) -> dict[str, tuple[str, CliCommand]]:
    """Those whose first word is none of the core's."""
    taken = {command.words.partition(" ")[0] for command in table.COMMANDS} | {"help"}
    commands = host.cli_commands()
    for name, (plugin, _) in commands.items():
        if name.partition(" ")[0] in taken:
            host.blame(plugin, "register", f"the command {name!r} begins with a word of the core's", "it can be named otherwise")
    return {name: found for name, found in commands.items() if name.partition(" ")[0] not in taken}


def _of_the_table(command: CliCommand) -> Command:
    arguments = (*command.arguments, CONFIG, JSON)
    return Command(command.name, GROUP, command.summary, "", arguments, command.more, command.exits)
