"""`appliance shell`: operations of an API server one after the other, with completion, as whoever logged in."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from contextlib import suppress
from getpass import getpass

from appliance.cli.api.calls import list_text, request, row_named, target_of
from appliance.cli.api.connection import Asked, Target, ask, follow
from appliance.cli.terminal import Terminal
from appliance.errors import ApplianceError, ExitCode
from appliance.management.operations.row import Row
from appliance.management.operations.table import BY_NAME

PROMPT = "appliance> "
WORDS = ("help", "login", "logout", "exit")
ABOUT = """OPERATION [NAME=TEXT|NAME:=JSON|NAME=@FILE] asks; `help` lists the operations, `help OPERATION` its arguments.
`login NAME` asks for the password and goes on as that user, `logout` ends that. `exit`, or Ctrl-D."""


def shell(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Read lines and do what they say. From a file or a pipe it ends with the code of the first that fails."""
    at_terminal = sys.stdin.isatty()
    if at_terminal:
        _complete()
        terminal.note(ABOUT)
    session = Session(target_of(arguments), terminal)
    while True:
        try:
            line = input(PROMPT if at_terminal else "")
        except EOFError:
            return ExitCode.OK
        except KeyboardInterrupt:
            terminal.note("")
            continue
        try:
            if not session.do(line):
                return ExitCode.OK
        except KeyboardInterrupt:
            terminal.note("")
        except ApplianceError as error:
            terminal.error(error.message, error.hint)
            if not at_terminal:
                return error.exit_code


class Session:
    """Whom it asks, and as whom."""

    def __init__(self, target: Target, terminal: Terminal) -> None:
        self._began_as = target
        self._target = target
        self._terminal = terminal

    def do(self, line: str) -> bool:
        """One line. False: it is over. Raises ApplianceError."""
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise ApplianceError(f"that line does not end: {error}", hint="close the quotation mark") from None
        match words:
            case []:
                pass
            case ["exit" | "quit"]:
                return False
            case ["help"]:
                self._terminal.say(f"{ABOUT}\n\n{list_text()}")
            case ["help", name]:
                self._terminal.say(_about(row_named(name)))
            case ["login", name]:
                self._log_in(name)
            case ["logout"]:
                with suppress(ApplianceError):
                    ask(self._target, Asked("POST", "/api/v1/auth/logout", b"{}"))
                self._target = self._began_as
            case [name, *arguments]:
                self._ask(row_named(name), arguments)
        return True

    def _ask(self, row: Row, words: list[str]) -> None:
        asked = request(row, words)
        if not row.stream:
            self._terminal.say(json.dumps(ask(self._target, asked), indent=2, ensure_ascii=False))
            return
        for item in follow(self._target, asked):
            self._terminal.line(item, json.dumps(item, ensure_ascii=False))

    def _log_in(self, name: str) -> None:
        given = {"name": name, "password": getpass("password: ") if sys.stdin.isatty() else input()}
        granted = ask(Target(self._began_as.url), Asked("POST", "/api/v1/auth/login", json.dumps(given).encode()))
        self._target = Target(self._began_as.url, granted["access_token"])
        self._terminal.note(f"as {name} for {granted['expires_in'] // 60} minutes")


def _about(row: Row) -> str:
    lines = [f"{row.name}: {row.summary}", f"{row.verb} {row.full_path}, permission {row.permission or 'none'}"]
    for name, field in row.arguments.model_fields.items():
        needed = "" if field.is_required() else f" [{field.get_default(call_default_factory=True)!r}]"
        lines.append(f"  {field.alias or name}{needed}  {field.description or ''}".rstrip())
    return "\n".join(lines)


def _complete() -> None:
    with suppress(ImportError):
        import readline

        known = sorted((*BY_NAME, *WORDS))

        def complete(text: str, state: int) -> str | None:
            found = [f"{name} " for name in known if name.startswith(text)]
            return found[state] if state < len(found) else None

        readline.set_completer(complete)
        readline.set_completer_delims(" ")
        readline.parse_and_bind("tab: complete")
