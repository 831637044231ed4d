"""From words to a command with its arguments, and the help texts. Everything that is wrong is a UsageError with a hint."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import NoReturn

from appliance.api.management import Option, Positional
from appliance.api.units import parse_seconds
from appliance.cli import table
from appliance.cli.commands.command import PROFILE, Command
from appliance.errors import ApplianceError, ExitCode

_NARGS = {(False, False): None, (False, True): "?", (True, False): "+", (True, True): "*"}
"""For argparse: by whether an argument is said more than once, and whether it may be left out."""
TOP_OPTIONS = ("--config", "--instance", "--check-config", "--version", "--help")


class UsageError(ApplianceError):
    """The command line itself is wrong; nothing was done."""

    exit_code = ExitCode.INVALID


def parse(command: Command, words: list[str], config: str | None = None) -> argparse.Namespace:
    """The arguments of `command`. `config` is the value of a `--config` before the command. Raises UsageError."""
    parser = _parser(command)
    known, left = parser.parse_known_args(words)
    if left:
        raise _not_understood(command, left[0])
    if takes_profile(command):
        known.profile = _one_profile(known.profile, known.config or config)
    return known


def seconds_of(text: str, option: str = "--timeout") -> float:
    """A duration that was typed behind `option`. Raises UsageError."""
    try:
        return parse_seconds(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}", hint=f"for example {option} 10s") from None


def takes_profile(command: Command) -> bool:
    """Does the command read a profile?"""
    return PROFILE in command.arguments


def unknown_command(words: list[str], others: Iterable[str] = ()) -> UsageError:
    """The error for words that do not begin with a command. `others` are commands of plugins."""
    names = [*(command.words for command in table.COMMANDS), *others]
    group = [name for name in names if name.startswith(f"{words[0]} ")]
    if group:
        said = f"{words[0]} {words[1]!r}" if len(words) > 1 else repr(words[0])
        return UsageError(f"{said} is no command", hint=f"there are: {', '.join(f'appliance {name}' for name in group)}")
    typed = " ".join(words[:2])
    return UsageError(f"{words[0]!r} is no command", hint=_guess([words[0], typed], names, "see `appliance --help`"))


def unknown_option(option: str, known: Iterable[str], where: str) -> UsageError:
    """The error for an option that does not exist."""
    return UsageError(f"{where} has no option {option}", hint=_guess([option], list(known), f"see `{where} --help`"))


def top_help(others: Sequence[Command] = ()) -> str:
    """What `appliance --help` prints. `others` are the commands that plugins bring."""
    commands = [*table.COMMANDS, *others]
    width = max(len(words) for words in [*(command.words for command in commands), "--check-config", "--instance NAME"])
    lines = [
        "usage: appliance [--config PATH] [--instance NAME] COMMAND …",
        "",
        "One declarative profile makes this host a node of an encrypted overlay network.",
    ]
    for group in dict.fromkeys([*table.GROUPS, *(command.group for command in others)]):
        lines += ["", f"{group}:"]
        lines += [f"  {command.words:{width}}  {command.summary}" for command in commands if command.group == group]
    lines += [
        "",
        "Options:",
        f"  {'--config PATH':{width}}  the profile, for the command that follows",
        f"  {'--instance NAME':{width}}  which node of this network namespace, where there are several ($APPLIANCE_INSTANCE)",
        f"  {'--check-config':{width}}  the same as the command check",
        f"  {'--version':{width}}  print the version",
        "",
        "`appliance COMMAND --help` tells more. Exit codes: 0 ok, 1 failure, 2 invalid, 3 changes pending, 4 rolled back,",
        "5 degraded, 6 permission, 7 no daemon, 75 try again, 130 Ctrl-C. APPLIANCE_LOG=debug shows what happens inside.",
    ]
    return "\n".join(lines)


def command_help(command: Command) -> str:
    """What `appliance COMMAND --help` prints."""
    return _parser(command).format_help().rstrip("\n")


class _Parser(argparse.ArgumentParser):
    """argparse, but an error is raised and not printed."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}", hint=f"see `{self.prog} --help`")


def _parser(command: Command) -> _Parser:
    parser = _Parser(
        prog=f"appliance {command.words}",
        description=f"{command.summary[0].upper()}{command.summary[1:]}. {command.more}".strip(),
        epilog=f"Exit codes besides 0, 1 and 2: {command.exits}." if command.exits else None,
        allow_abbrev=False,
        add_help=False,
    )
    for argument in command.arguments:
        if isinstance(argument, Positional):
            nargs = _NARGS[argument.name == command.many, argument.optional]
            parser.add_argument(argument.name, metavar=argument.metavar, help=argument.help, nargs=nargs)
        elif argument.metavar:
            parser.add_argument(argument.flag, metavar=argument.metavar, help=argument.help, default=argument.default)
        else:
            parser.add_argument(argument.flag, help=argument.help, action="store_true")
    parser.add_argument("-h", "--help", help="show this", action="store_true")
    return parser


def _not_understood(command: Command, word: str) -> UsageError:
    if word.partition("=")[0] == "--instance":
        return UsageError(
            "--instance stands before the command", hint=f"appliance --instance NAME {command.words}, or $APPLIANCE_INSTANCE"
        )
    if word.startswith("-"):
        flags = [argument.flag for argument in command.arguments if isinstance(argument, Option)]
        return unknown_option(word.partition("=")[0], flags, f"appliance {command.words}")
    return UsageError(
        f"appliance {command.words}: {word!r} is one argument too many", hint=f"see `appliance {command.words} --help`"
    )


def _one_profile(positional: str | None, config: str | None) -> str | None:
    if positional and config and positional != config:
        raise UsageError(f"two profiles were named: {positional} and {config}", hint="name one; drop-ins go into FILE.d/")
    return positional or config


def _guess(typed: list[str], names: list[str], otherwise: str) -> str:
    import difflib

    for words in typed:
        near = difflib.get_close_matches(words, names, n=1, cutoff=0.6)
        if near:
            return f"did you mean {near[0]}?"
    return otherwise
