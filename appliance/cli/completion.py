"""Completion for bash, made from the table of commands; it starts no Python on a tab."""

from __future__ import annotations

import argparse

from appliance.cli import table
from appliance.cli.table import Option
from appliance.cli.terminal import Terminal


def completion(arguments: argparse.Namespace, terminal: Terminal) -> int:  # noqa: ARG001 - the shape of every command
    """Print the script."""
    terminal.say(script())
    return 0


def script() -> str:
    """A bash function that completes commands, their options, and files."""
    first = sorted({command.words.partition(" ")[0] for command in table.COMMANDS})
    cases = [f'    "{command.words}") words="{" ".join(_flags(command))}" ;;' for command in table.COMMANDS]
    groups: dict[str, list[str]] = {}
    for command in table.COMMANDS:
        head, _, second = command.words.partition(" ")
        if second:
            groups.setdefault(head, []).append(second)
    group_cases = [f'    "{head}") words="{" ".join(seconds)}" ;;' for head, seconds in groups.items()]
    return "\n".join(
        [
            "_appliance() {",
            '  local current="${COMP_WORDS[COMP_CWORD]}" words=""',
            '  if [ "$COMP_CWORD" -eq 1 ]; then',
            f'    COMPREPLY=($(compgen -W "{" ".join(first)} --config --check-config --help --version" -- "$current")); return',
            "  fi",
            '  case "${COMP_WORDS[1]}" in',
            *group_cases,
            "  esac",
            '  if [ -n "$words" ] && [ "$COMP_CWORD" -eq 2 ]; then COMPREPLY=($(compgen -W "$words" -- "$current")); return; fi',
            '  local typed="${COMP_WORDS[1]}"; [ -n "$words" ] && typed="$typed ${COMP_WORDS[2]}"',
            '  case "$typed" in',
            *cases,
            "  esac",
            '  if [[ "$current" == -* ]]; then COMPREPLY=($(compgen -W "$words --help" -- "$current"))',
            '  else COMPREPLY=($(compgen -f -- "$current")); fi',
            "}",
            "complete -o filenames -F _appliance appliance",
        ]
    )


def _flags(command: table.Command) -> list[str]:
    return [argument.flag for argument in command.arguments if isinstance(argument, Option)]
