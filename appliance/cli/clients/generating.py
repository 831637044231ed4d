"""`appliance generate-client`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance import __version__
from appliance.cli.clients.languages import LANGUAGES, client
from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal
from appliance.errors import ApplianceError, ExitCode
from appliance.management.clients.operations import checked, operations


def generate_client(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Write a client into a folder that has none of its files."""
    name = arguments.language
    if name not in LANGUAGES:
        raise UsageError(f"there is no client in {name!r}", hint=f"there are: {', '.join(LANGUAGES)}")
    folder = Path(arguments.output or f"appliance-client-{name}")
    texts = made(name, description(arguments.description), arguments.description)
    _write(folder, texts, anew=arguments.force)
    terminal.result(
        {"folder": str(folder), "files": list(texts)},
        f"{len(texts)} files in {folder}. Next: {LANGUAGES[name].next.format(folder=folder)}",
    )
    return ExitCode.OK


def description(file: str | None) -> dict[str, Any]:
    """The description to make a client from: a file's, or that of this version. Raises ApplianceError."""
    if file is None:
        from appliance.management.descriptions.openapi import document
        from appliance.management.operations.table import ROWS

        return document(ROWS, __version__, {})
    try:
        found = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ApplianceError(f"{file}: {error}", hint="name a file with OpenAPI 3.1 as JSON") from error
    if not isinstance(found, dict) or not str(found.get("openapi", "")).startswith("3.1"):
        raise ApplianceError(f"{file}: this is no OpenAPI 3.1", hint="take the one that a node serves at /api/v1/openapi.json")
    return found


def made(name: str, document: dict[str, Any], file: str | None) -> dict[str, str]:
    """The texts of a client. Raises ApplianceError if the description is not complete, or not one to make a program of."""
    with _complete(file):
        checked(document)
        texts = client(name, document)
        for text in texts.values():
            text.encode()  # JSON may have halves of characters, files may not
        return texts


def counted(document: dict[str, Any], file: str) -> int:
    """How many operations a description has. Raises ApplianceError as `made` does."""
    with _complete(file):
        checked(document)
        return len(operations(document))


@contextmanager
def _complete(file: str | None) -> Generator[None, None, None]:
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, StopIteration, RecursionError) as error:
        raise ApplianceError(
            f"{file}: this is no complete OpenAPI 3.1 document ({str(error) or type(error).__name__})",
            hint="take the one that a node serves at /api/v1/openapi.json",
        ) from error


def _write(folder: Path, texts: dict[str, str], *, anew: bool) -> None:
    there = [path for path in texts if (folder / path).exists()]
    if there and not anew:
        raise ApplianceError(f"{folder / there[0]} exists already", hint="name another folder with --output, or say --force")
    try:
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ApplianceError(f"{folder}: {error.strerror or error}", hint="name another folder with --output") from error
