"""Completion for bash, made from the table of commands. No Python is started when somebody presses the tab key."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from appliance.api.management import Option
from appliance.cli import table
from appliance.cli.commands.command import Command
from appliance.cli.terminal import Terminal
from appliance.errors import ApplianceError


def completion(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print the script, with the commands of the plugins that are enabled now."""
    from appliance.cli import plugin_commands

    try:
        others = [found.command for found in plugin_commands.found(arguments.profile).values()]
    except ApplianceError as error:
        terminal.note(f"note: without the commands of plugins ({error.message})")
        others = []
    terminal.say(script(others))
    return 0


def script(others: Sequence[Command] = ()) -> str:
    """A bash function that completes commands, their options, and files. `others` are commands of plugins."""
    commands = (*table.COMMANDS, *others)
    first = sorted({command.words.partition(" ")[0] for command in commands})
    cases = [f'    "{command.words}") words="{" ".join(_flags(command))}" ;;' for command in commands]
    groups: dict[str, list[str]] = {}
    for command in commands:
        head, _, second = command.words.partition(" ")
        if second:
            groups.setdefault(head, []).append(second)
    group_cases = [f'    "{head}") words="{" ".join(seconds)}" ;;' for head, seconds in groups.items()]
    return "\n".join(
        [
            "_appliance() {",
            '  local current="${COMP_WORDS[COMP_CWORD]}" words=""',
            '  local -a said=("${COMP_WORDS[@]:1:COMP_CWORD}")',
            '  while [ "${#said[@]}" -gt 2 ] && [[ "${said[0]}" == --config || "${said[0]}" == --instance ]]; do',
            '    said=("${said[@]:2}")',
            "  done",
            '  if [ "${#said[@]}" -eq 1 ]; then',
            f'    words="{" ".join(first)} --config --instance --check-config --help --version"',
            '    COMPREPLY=($(compgen -W "$words" -- "$current")); return',
            "  fi",
            '  case "${said[0]}" in',
            *group_cases,
            "  esac",
            '  if [ -n "$words" ] && [ "${#said[@]}" -eq 2 ]; then COMPREPLY=($(compgen -W "$words" -- "$current")); return; fi',
            '  local typed="${said[0]}"; [ -n "$words" ] && typed="$typed ${said[1]}"',
            '  case "$typed" in',
            *cases,
            "  esac",
            '  if [[ "$current" == -* ]]; then COMPREPLY=($(compgen -W "$words --help" -- "$current"))',
            '  else COMPREPLY=($(compgen -f -- "$current")); fi',
            "}",
            "complete -o filenames -F _appliance appliance",
        ]
    )


def _flags(command: Command) -> list[str]:
    return [argument.flag for argument in command.arguments if isinstance(argument, Option)]
