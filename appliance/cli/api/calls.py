"""`appliance api`: one operation of the table, with its arguments as words."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from appliance.cli.api.connection import Asked, Target, ask, follow
from appliance.cli.terminal import Terminal, table
from appliance.errors import ApplianceError, ExitCode
from appliance.management.operations.row import PUBLIC, Row
from appliance.management.operations.table import BY_NAME, ROWS

TOKEN: Final = "APPLIANCE_TOKEN"  # noqa: S105  the name of a variable

MOST_READ: Final = 1 << 20
"""Characters of a file: more no operation takes."""


def api(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Ask, and print what is answered; without an operation, print which there are."""
    if not arguments.words:
        terminal.result([_told(row) for row in ROWS], list_text())
        return ExitCode.OK
    name, *words = arguments.words
    row = row_named(name)
    target = target_of(arguments)
    asked = request(row, words)
    if not row.stream:
        answer = ask(target, asked)
        terminal.result(answer, json.dumps(answer, indent=2, ensure_ascii=False))
        return ExitCode.OK
    for item in follow(target, asked):
        terminal.line(item, json.dumps(item, ensure_ascii=False))
    return ExitCode.OK


def row_named(name: str) -> Row:
    """The operation of that name. Raises ApplianceError."""
    row = BY_NAME.get(name)
    if row is None:
        raise _wrong(f"there is no operation {name!r}", "see: appliance api")
    return row


def target_of(arguments: argparse.Namespace) -> Target:
    """Where to ask and as whom, as --url and --token-file say. Raises ApplianceError."""
    return Target(arguments.url or "", _token(arguments.token_file))


def request(row: Row, words: Sequence[str]) -> Asked:
    """The request for an operation with NAME=TEXT, NAME:=JSON and NAME=@FILE. Raises ApplianceError."""
    given = dict(map(_argument, words))
    for word in words:
        _check_secret(row, word)
    unknown = given.keys() - row.arguments.model_fields.keys()
    if unknown:
        known = ", ".join(row.arguments.model_fields) or "none"
        raise _wrong(f"{row.name} has no argument {min(unknown)!r}", f"there are: {known}")
    missing = [name for name in row.in_path if name not in given]
    if missing:
        raise _wrong(f"{row.name} needs {missing[0]}", f"write {missing[0]}=…")
    path = row.full_path
    for name in row.in_path:
        path = path.replace(f"{{{name}}}", quote(str(given.pop(name)), safe=""))
    if row.verb.has_body:
        return Asked(row.verb, path, json.dumps(given).encode())
    return Asked(row.verb, f"{path}?{urlencode(given, doseq=True)}" if given else path)


def _argument(word: str) -> tuple[str, Any]:
    name, equals, text = word.partition("=")
    if not equals:
        raise _wrong(f"{word!r} is no argument", "write NAME=TEXT, or NAME:=JSON for numbers, lists, true and false")
    if not name.endswith(":"):
        return name, _read(text[1:]) if text.startswith("@") else text
    try:
        return name.removesuffix(":"), json.loads(text)
    except ValueError:
        raise _wrong(f"{text!r} is no JSON", "write NAME=TEXT for text") from None


def _check_secret(row: Row, word: str) -> None:
    """Not on the command line, where every user of the host could read it, and not in the shell's history."""
    written, _, text = word.partition("=")
    name = written.removesuffix(":")
    if name in row.secrets and (name != written or not text.startswith("@")):
        raise _wrong(f"{name} is a secret", f"write {name}=@FILE, or {name}=@- for standard input")


def _read(file: str) -> str:
    try:
        found = sys.stdin.read(MOST_READ) if file == "-" else Path(file).read_text()[:MOST_READ]
    except (OSError, ValueError) as error:
        raise _wrong(f"{file}: {error}", "NAME=@FILE is what the file has; a text that begins with @ is NAME:=JSON") from error
    return found.removesuffix("\n")


def _token(file: str | None) -> str:
    """Never from the command line, where every user of the host could read it."""
    if file is None:
        return os.environ.get(TOKEN, "")
    try:
        return Path(file).read_text().strip()
    except (OSError, ValueError) as error:
        raise _wrong(f"{file}: {error}", "a token file has the token and nothing else") from error


def list_text() -> str:
    """A line for each operation."""
    rows = [(row.name, f"{row.verb} {row.path}", row.permission or "anybody", row.summary) for row in ROWS]
    return table(("operation", "path", "permission", "what it does"), rows)


def _told(row: Row) -> Mapping[str, Any]:
    return {
        "name": row.name,
        "summary": row.summary,
        "verb": str(row.verb),
        "path": row.full_path,
        "permission": None if row.permission == PUBLIC else row.permission,
        "arguments": [*row.arguments.model_fields],
        "stream": row.stream,
    }


def _wrong(message: str, hint: str) -> ApplianceError:
    error = ApplianceError(message, hint=hint)
    error.exit_code = ExitCode.INVALID
    return error
