"""What ruamel.yaml reads in a text, and in an admin's words what keeps it from reading on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from appliance.profile.document import Source
from appliance.profile.problems import LocatedProblem, at


class NotYAML(Exception):
    """The text is not YAML from here on."""

    def __init__(self, problem: LocatedProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def careful_events(text: str, source: Source) -> Iterator[Any]:
    """What stands in the text. Raises NotYAML, and bare errors on some malformed escapes, tags and directives."""
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except YAMLError as error:
        raise NotYAML(_syntax_problem(error, source)) from None


def _syntax_problem(error: YAMLError, source: Source) -> LocatedProblem:
    if isinstance(error, ReaderError):
        return _unprintable(error, source)
    mark = context = None
    message = "this is not YAML"
    if isinstance(error, MarkedYAMLError):
        mark, context = error.problem_mark or error.context_mark, error.context_mark
        message = error.problem or error.context or message
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    text = source.lines[line - 1] if line <= len(source.lines) else ""
    hint = _syntax_hint(message, text)
    if not hint and context is not None and context.line + 1 != line:
        hint = f"{error.context} that begins in line {context.line + 1}" if isinstance(error, MarkedYAMLError) else ""
    return at(source, line, column, f"this is not YAML: {message}", hint)


def _syntax_hint(message: str, line: str) -> str:
    if "\\t" in message or "\t" in line[: len(line) - len(line.lstrip())]:
        return "indent with spaces; YAML does not take tabs"
    if "://[" in line:
        return 'an IPv6 endpoint within a list is quoted: ["udp://[2001:db8::1]:8443"]'
    if "mapping values are not allowed" in message:
        return "is a line above not indented like this one, or does a text with `: ` lack its quotes?"
    if "undefined alias" in message:
        return "an asterisk begins an alias; put text that begins with * in quotes"
    return ""


def _unprintable(error: ReaderError, source: Source) -> LocatedProblem:
    code = error.character if isinstance(error.character, int) else ord(error.character[:1] or "\0")
    for number, line in enumerate(source.lines, 1):
        if chr(code) in line:
            return at(source, number, line.index(chr(code)) + 1, f"the control character U+{code:04X} stands here", "remove it")
    return at(source, 1, 1, f"the control character U+{code:04X} is in this file", "remove it")
