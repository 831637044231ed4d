"""`appliance templates`: the files, without asking the node. `appliance api` runs them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.terminal import Terminal, table
from appliance.errors import ExitCode

if TYPE_CHECKING:
    from appliance.api_server.jobs.templates import Found, Templates


def list_templates(_arguments: argparse.Namespace, terminal: Terminal) -> int:
    """All of this host, and what is wrong with the others."""
    templates = _templates()
    found, invalid = templates.all(), templates.invalid()
    rows = [(name, str(one.template.version), one.template.summary, str(one.file)) for name, one in sorted(found.items())]
    wrong = [error.document() | {"file": file} for file, error in invalid.items()]
    terminal.result(
        {"templates": [_document(one) for _, one in sorted(found.items())], "invalid": wrong},
        table(("template", "version", "what it does", "file"), rows),
    )
    for file, error in invalid.items():
        terminal.warning(f"{file}: {error.message}; `appliance templates check {file}` shows all")
    return ExitCode.OK


def show(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """The text of one, as it stands in its file."""
    from appliance.api_server.jobs.templates import text_of

    templates = _templates()
    templates.get(arguments.name)
    found = templates.all()[arguments.name]
    terminal.result(_document(found), text_of(found.file).decode().rstrip("\n"))
    return ExitCode.OK


def check(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Read one, and say what is wrong with it."""
    from appliance.api_server.jobs.templates import for_steps, load
    from appliance.management.operations.table import ROWS

    template = load(Path(arguments.file), for_steps(ROWS))
    count = len(template.steps)
    said = f"{arguments.file}: ok ({template.name}, version {template.version}, {count} step{'s' if count != 1 else ''})"
    terminal.result({"ok": True, "name": template.name, "version": template.version}, said)
    return ExitCode.OK


def _templates() -> Templates:
    from appliance.api_server.jobs.templates import Templates, for_steps
    from appliance.management.operations.table import ROWS

    return Templates(for_steps(ROWS))


def _document(found: Found) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(found.template.model_dump_json())
    return document | {"file": str(found.file)}
