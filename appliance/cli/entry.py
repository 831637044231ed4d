"""From the arguments of the process to its exit code: the one place where errors become sentences.

Nothing is imported here that some command does not need: `appliance run` hands this process to the daemon.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from appliance.cli import table
from appliance.cli.streams import Streams
from appliance.cli.terminal import Terminal
from appliance.errors import ApplianceError, ExitCode, MissingPrivilege
from appliance.foundation import places

if TYPE_CHECKING:
    import argparse

    from appliance.cli.plugin_commands import Found

    Run = Callable[[argparse.Namespace, Terminal], int]

INTERRUPTED = 130
BROKEN_PIPE = 141
"""128 + SIGINT and 128 + SIGPIPE, as a shell reports them."""
ANSWERS = frozenset({ExitCode.OK, ExitCode.CHANGES_PENDING, ExitCode.DEGRADED})
"""Exit codes of commands that did what they were asked to do."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return the exit code of the process. Raises nothing."""
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # else whatever is installed beside may run in here, asked for by nobody
    words = list(sys.argv[1:] if argv is None else argv)
    streams = Streams()
    terminal = Terminal(json="--json" in words)
    try:
        return _answered(_code_of(words, terminal, streams), terminal, streams)
    except KeyboardInterrupt as interrupt:
        with suppress(KeyboardInterrupt):
            streams.empty()
        return getattr(interrupt, "exit_code", INTERRUPTED)


def _code_of(words: list[str], terminal: Terminal, streams: Streams) -> int:
    try:
        return _dispatch(words, terminal)
    except Exception as error:  # noqa: BLE001 - an admin reads a sentence, never a traceback
        if streams.lost is not None and streams.lost in (error, error.__cause__):
            return ExitCode.OK  # nothing else went wrong
        return report(error, terminal)


def _answered(code: int, terminal: Terminal, streams: Streams) -> int:
    """The exit code once the answer was written. If the answer was lost, that is told, unless the command failed anyway."""
    lost = streams.empty()
    if lost is None or code not in ANSWERS:
        return code
    if isinstance(lost, BrokenPipeError):
        return BROKEN_PIPE
    reason = (lost.strerror or str(lost)).lower()
    terminal.error(f"standard output: {reason}", "what the command did is done; make room or redirect it, and ask again")
    return ExitCode.FAILURE


def report(error: Exception, terminal: Terminal) -> int:
    """Say what went wrong and return the exit code. `APPLIANCE_LOG=debug` adds the traceback."""
    told = as_told(error)
    if os.environ.get("APPLIANCE_LOG", "").lower() in ("debug", "trace"):
        import traceback

        terminal.note("".join(traceback.format_exception(error)).rstrip())
    if terminal.json:
        with suppress(OSError):  # how the command ends is told by its exit code as well
            terminal.document({"ok": False, "error": told.document()})
    terminal.note(told.text(color=terminal.err_colour))
    return int(told.exit_code)


def as_told(error: Exception) -> ApplianceError:
    """What is said about any exception: ours as they are, the operating system's in words, anything else as a bug."""
    if isinstance(error, ApplianceError):
        return error
    if isinstance(error, OSError):
        return _from_the_system(error)
    return ApplianceError(
        f"this should not have happened: {type(error).__name__}: {error}",
        hint="run it again with APPLIANCE_LOG=debug and report what it shows",
    )


def _dispatch(words: list[str], terminal: Terminal) -> int:
    from appliance.cli import parser
    from appliance.foundation import plugin_folders

    plugin_folders.use()
    config, words = _top_options(words)
    places.instance()
    if not words:
        raise parser.UsageError("no command was given", hint="see `appliance --help`")
    if words[0] in ("-h", "--help", "help"):
        terminal.say(parser.top_help([found.command for found in _of_plugins(config).values()]))
        return ExitCode.OK
    if words[0].startswith("-"):
        raise parser.unknown_option(words[0].partition("=")[0], parser.TOP_OPTIONS, "appliance")
    found = table.find(words)
    if found is None:
        return _plugin_command(words, config, terminal)
    command, rest = found
    if "-h" in rest or "--help" in rest:
        terminal.say(parser.command_help(command))
        return ExitCode.OK
    arguments = parser.parse(command, rest, config)
    if config and not parser.takes_profile(command):
        terminal.note(f"note: appliance {command.words} reads no profile, --config does nothing here")
    _configure_logs()
    return int(_load(command.run)(arguments, terminal))


def _top_options(words: list[str]) -> tuple[str | None, list[str]]:
    """Take off the options in front of the command: (profile, what is left). The instance goes into the environment, where
    everything that this process starts finds it."""
    config = None
    while words:
        if words[0].partition("=")[0] == "--config":
            config, words = _value(words, "the path of a profile", "PATH")
        elif words[0].partition("=")[0] == "--instance":
            os.environ[places.INSTANCE_VARIABLE], words = _value(words, "the name of a node of this host", "NAME")
        elif words[0] == "--check-config":
            return config, ["check", *words[1:]]
        elif words[0] == "--version":
            return config, ["version", *words[1:]]
        else:
            break
    return config, words


def _value(words: list[str], meaning: str, metavar: str) -> tuple[str, list[str]]:
    """The value of the option in front, and the words behind it. Raises UsageError."""
    option, separator, value = words[0].partition("=")
    if separator:
        return value, words[1:]
    if len(words) > 1:
        return words[1], words[2:]
    from appliance.cli.parser import UsageError

    raise UsageError(f"{option} needs {meaning}", hint=f"appliance {option} {metavar} COMMAND")


def _plugin_command(words: list[str], config: str | None, terminal: Terminal) -> int:
    """A command that an enabled plugin brings, or a UsageError."""
    from appliance.cli import parser, plugin_commands

    group = any(command.words.startswith(f"{words[0]} ") for command in table.COMMANDS)
    known = {} if group else plugin_commands.found(_config_in(words) or config)
    found = plugin_commands.find(words, known)
    if found is None:
        raise parser.unknown_command(words, [each.command.words for each in known.values()])
    command, rest = found
    if "-h" in rest or "--help" in rest:
        terminal.say(parser.command_help(command.command))
        return ExitCode.OK
    _configure_logs()
    return plugin_commands.run(command, rest, config, terminal)


def _of_plugins(config: str | None) -> Mapping[str, Found]:
    """Their commands; none where something is in the way, since help is what one asks for then."""
    from appliance.cli import plugin_commands

    try:
        return plugin_commands.found(config)
    except ApplianceError:
        return {}


def _config_in(words: list[str]) -> str | None:
    """The profile that is named behind the command: which commands there are depends on it."""
    for word, following in zip(words, [*words[1:], None], strict=True):
        if word == "--config":
            return following
        if word.startswith("--config="):
            return word.partition("=")[2]
    return None


def _load(import_path: str) -> Run:
    import importlib

    module, _, function = import_path.partition(":")
    run: Run = getattr(importlib.import_module(module), function)
    return run


def _configure_logs() -> None:
    if os.environ.get("APPLIANCE_LOG"):
        from appliance.foundation import logging

        try:
            logging.configure("warn", "human" if sys.stderr is not None and sys.stderr.isatty() else "auto")
        except ValueError as error:
            raise ApplianceError(f"APPLIANCE_LOG: {error}") from error


def _from_the_system(error: OSError) -> ApplianceError:
    where = f"{error.filename}: " if error.filename else ""
    reason = (error.strerror or str(error)).lower()
    if isinstance(error, PermissionError):
        return MissingPrivilege(f"{where}{reason}", hint="run it as root (sudo), or give this user access")
    if isinstance(error, FileNotFoundError):
        return ApplianceError(f"{where}there is no such file", hint="check the path")
    return ApplianceError(f"{where}{reason}", hint="the operating system refused; APPLIANCE_LOG=debug shows where")
