"""`appliance validate`: a file of any kind that we know, or a message of an operation, judged without asking a node."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal
from appliance.errors import ExitCode
from appliance.profile import LocatedProblem, ProfileInvalid

if TYPE_CHECKING:
    from appliance.management.operations.judging import Wrong
    from appliance.profile.document import Document


class MessageMisfit(ProfileInvalid):
    """A file is no message of that operation. `problems` has each with its place."""

    def __init__(self, problems: list[LocatedProblem]) -> None:
        super().__init__(problems)
        self.message = self.message.replace("the profile", "the message", 1)


def validate(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Say what a file is, and what is wrong with it."""
    path = Path(arguments.file)
    if arguments.operation is not None:
        kind = _message(path, arguments.operation, answer=arguments.answer)
    elif arguments.answer:
        raise UsageError("--answer is of an operation", hint="name it: --operation NAME")
    else:
        kind = _file(path)
    terminal.result({"ok": True, "kind": kind}, f"{path}: ok ({kind})")
    return ExitCode.OK


def _file(path: Path) -> str:
    """The kind is told by the first keys of the document; what tells nothing is taken for a profile."""
    from appliance.profile.reading import read_file

    document, _ = read_file(path)
    keys = document.tree.keys() if document is not None and isinstance(document.tree, dict) else ()
    if "openapi" in keys:
        return _description(path)
    if "template" in keys:
        from appliance.api_server.jobs.templates import for_steps, load
        from appliance.management.operations.table import ROWS

        return f"template {load(path, for_steps(ROWS)).name}"
    from appliance.cli.opening import open_profile

    return f"profile {open_profile(str(path)).profile.name}"


def _description(path: Path) -> str:
    from appliance.cli.clients.generating import counted, description

    return f"OpenAPI with {counted(description(str(path)), str(path))} operations"


def _message(path: Path, name: str, *, answer: bool) -> str:
    from appliance.management.operations.judging import wrong
    from appliance.management.operations.table import BY_NAME
    from appliance.profile.problems import in_order
    from appliance.profile.reading import read_file

    row = BY_NAME.get(name)
    if row is None:
        raise UsageError(f"there is no operation {name!r}", hint="`appliance api` lists them")
    document, problems = read_file(path)
    if document is None:
        raise MessageMisfit([_of_a_message(problem) for problem in problems])
    problems += [_located(document, each) for each in wrong(row, json.dumps(document.tree, default=str), answer=answer)]
    if problems:
        raise MessageMisfit(in_order(problems))
    return f"{'answer' if answer else 'arguments'} of {name}"


def _located(document: Document, each: Wrong) -> LocatedProblem:
    from appliance.profile.document import dotted
    from appliance.profile.problems import located

    _, spot = document.nearest(each.path)
    if spot is None:
        spot = next(iter(document.spots.values()))
    return located(spot, each.path, each.message, at_key=each.at_key)._replace(path=dotted(each.path))


def _of_a_message(problem: LocatedProblem) -> LocatedProblem:
    """What the reader of profiles says, in words about messages."""
    hint = (
        "write the arguments, or the answer, as JSON or YAML"
        if "profile" in problem.hint or "init" in problem.hint
        else problem.hint
    )
    return problem._replace(message=problem.message.replace("a profile", "a message"), hint=hint)
