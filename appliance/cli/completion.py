"""Completion for bash, made from the table of commands. Only where the name of a peer or of a service is wanted does the tab key
start a Python, to ask the running node."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

from appliance.api.management import Option, Positional
from appliance.cli import table
from appliance.cli.commands.command import Command
from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal
from appliance.control import client
from appliance.errors import ApplianceError

ANSWER_SECONDS: Final = 1.0
"""A person waits with a finger on the tab key."""
LIVE: Final = {"PEER": "peers", "SERVICE|PORT": "services"}
"""What a running node knows the names of, by what stands for an argument in help texts."""


def completion(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print the script, with the commands of the plugins that are enabled now; or names that the running node knows."""
    if arguments.of is not None:
        for name in _names(arguments.of):
            terminal.say(name)
        return 0
    from appliance.cli import plugin_commands

    try:
        others = [found.command for found in plugin_commands.found(arguments.profile).values()]
    except ApplianceError as error:
        terminal.note(f"note: without the commands of plugins ({error.message})")
        others = []
    terminal.say(script(others))
    return 0


def _names(of: str) -> Sequence[str]:
    """What there is now. Raises UsageError, and what asking a node raises."""
    if of not in LIVE.values():
        raise UsageError(f"--of: there is nothing called {of!r}", hint=f"there are: {', '.join(LIVE.values())}")
    member = {"peers": "name", "services": "service"}[of]
    return sorted({str(each[member]) for each in client.call(of, timeout=ANSWER_SECONDS)})


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
    live_cases = [f'    "{command.words}") live=({" ".join(live)}) ;;' for command in commands if any(live := _live(command))]
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
            "  local -a live=()",
            '  case "$typed" in',
            *live_cases,
            "  esac",
            "  local word at=-1",
            '  for word in "${said[@]}"; do [[ "$word" == -* ]] || at=$((at + 1)); done',
            '  [[ "$typed" == *" "* ]] && at=$((at - 1))',
            '  local of="${live[at - 1]:-${live[-1]:-files}}"',
            '  if [[ "$current" != -* && "$of" != files ]]; then',
            '    COMPREPLY=($(compgen -W "$(appliance completion --of "$of" 2>/dev/null)" -- "$current")); return',
            "  fi",
            '  if [[ "$current" == -* ]]; then COMPREPLY=($(compgen -W "$words --help" -- "$current"))',
            '  else COMPREPLY=($(compgen -f -- "$current")); fi',
            "}",
            "complete -o filenames -F _appliance appliance",
        ]
    )


def _live(command: Command) -> list[str]:
    """What each argument that is known by its place is a name of."""
    places = [LIVE.get(argument.metavar, "files") for argument in command.arguments if isinstance(argument, Positional)]
    return places if set(places) != {"files"} else []


def _flags(command: Command) -> list[str]:
    return [argument.flag for argument in command.arguments if isinstance(argument, Option)]
