"""docs/cli.md below its hand-written head, made from the table of commands.

python -m appliance.cli.reference          prints it
python -m appliance.cli.reference --write  renews docs/cli.md
"""

from __future__ import annotations

import sys
from pathlib import Path

from appliance.api.management import Option, Positional
from appliance.cli import table
from appliance.cli.commands.command import Command

MARK = "<!-- Everything below is generated from appliance/cli/commands: python -m appliance.cli.reference --write -->"


def reference() -> str:
    """The generated part, from the mark on."""
    parts = [MARK]
    for group in table.GROUPS:
        parts.append(f"## {group}")
        parts += [_command(command) for command in table.COMMANDS if command.group == group]
    return "\n\n".join(parts) + "\n"


def renewed(document: str) -> str:
    """A docs/cli.md with its generated part made anew."""
    return document.partition(MARK)[0] + reference()


def _command(command: Command) -> str:
    lines = [f"### appliance {command.words}", "", f"    {usage(command)}", "", _sentence(command)]
    if command.arguments:
        lines += ["", "| | |", "|---|---|"]
        lines += [f"| `{_shown(argument)}` | {argument.help}{_default(argument)} |" for argument in command.arguments]
    if command.exits:
        lines += ["", f"Exit codes besides 0, 1 and 2: {command.exits}."]
    return "\n".join(lines)


def usage(command: Command) -> str:
    """One line: the command with its arguments, optional ones in brackets."""
    words = ["appliance", command.words]
    for argument in command.arguments:
        optional = isinstance(argument, Option) or argument.optional
        words.append(f"[{_shown(argument)}]" if optional else _shown(argument))
    return " ".join(words)


def _shown(argument: Positional | Option) -> str:
    if isinstance(argument, Option):
        return f"{argument.flag} {argument.metavar}".rstrip()
    return argument.metavar


def _default(argument: Positional | Option) -> str:
    return f" (default `{argument.default}`)" if isinstance(argument, Option) and argument.default else ""


def _sentence(command: Command) -> str:
    return f"{command.summary[0].upper()}{command.summary[1:]}. {command.more}".rstrip()


def main(words: list[str]) -> int:
    """Print the reference, or write it into docs/cli.md below the current directory."""
    if words != ["--write"]:
        sys.stdout.write(reference())
        return 0
    path = Path("docs/cli.md")
    path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
