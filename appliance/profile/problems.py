"""What is wrong with a profile, told so that the admin sees the place and knows what to do.

office.yaml:9:3: network.adresses: unknown key, did you mean 'addresses'?
    9 |   adresses: [10.8.0.1/24]
      |   ^^^^^^^^
      = known keys: addresses, clamp_mss, …
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

from appliance.errors import ProfileError
from appliance.profile.document import KeyPath, Source, Spot, dotted

SHOWN_COLUMNS = 120
"""Of a longer source line only so much around the caret is shown. Fits beside the line number on a terminal of 132 columns."""

_WORD = re.compile(r"[\w.-]+")
_TELLING = re.compile(r"(?i)secret|passw|passphrase|token|private|credential|psk|api_?key")
_ASSIGNMENT = re.compile(r"[\"']?\s*[:=]\s*(?=\S)")
_KEY_MATERIAL = re.compile(r"(?<![\w+/:.-])[A-Za-z0-9+/_-]{40,}={0,2}")


class LocatedProblem(NamedTuple):
    """One problem, and where it is."""

    file: str
    """A file, or the name of a variable ("environment APPLIANCE_NETWORK__MTU")."""
    line: int
    """From 1. 0 if the problem is not at a place in a text (a missing file)."""
    col: int
    """From 1, in characters. 0 if `line` is."""
    path: str
    """The dotted key; "" for the whole document."""
    message: str
    hint: str = ""
    """What to do about it."""
    source_line: str = ""
    """The line of the text, masked where it may hold a secret; "" if it is not shown."""
    width: int = 1
    """How many characters are at fault."""


class ProfileInvalid(ProfileError):
    """Raised with every problem at once, in the order of the text."""

    def __init__(self, problems: Iterable[LocatedProblem]) -> None:
        self.problems: tuple[LocatedProblem, ...] = tuple(dict.fromkeys(problems))
        first = self.problems[0] if self.problems else None
        count = len(self.problems)
        super().__init__(
            f"the profile has {count} problem{'s' if count != 1 else ''}" + (f", the first: {headline(first)}" if first else ""),
            hint=first.hint if first else "",
        )

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The error whose `document()` this is. Raises KeyError, TypeError or ValueError for any other document."""
        return cls(LocatedProblem(**problem) for problem in document["problems"])

    def document(self) -> dict[str, Any]:
        """`problems` has each with all its fields."""
        return super().document() | {"problems": [problem._asdict() for problem in self.problems]}

    def text(self, *, color: bool = False) -> str:
        """All problems with their lines and carets, and the count."""
        count = len(self.problems)
        blocks = [_render(problem, color=color) for problem in self.problems]
        return "\n".join([*blocks, f"{count} problem{'s' if count != 1 else ''}"])


def located(
    spot: Spot, path: KeyPath, message: str, hint: str = "", *, at_key: bool = False, secret: bool = False
) -> LocatedProblem:
    """The problem at a value (or at its key). `secret` keeps the source line from being shown."""
    line, column, width = (spot.key_line, spot.key_column, spot.key_width) if at_key else (spot.line, spot.column, spot.width)
    return at(spot.source, line, column, message, hint, path=path, width=width, secret=secret)


def at(
    source: Source,
    line: int,
    column: int,
    message: str,
    hint: str = "",
    *,
    path: KeyPath = (),
    width: int = 1,
    secret: bool = False,
) -> LocatedProblem:
    """The problem at a place in a text. A place outside the text is moved to its nearest end."""
    if not source.lines:
        return LocatedProblem(source.name, 0, 0, dotted(path), message, hint)
    line = min(max(line, 1), len(source.lines))
    text = source.lines[line - 1]
    column = min(max(column, 1), len(text) + 1)
    width = max(1, min(width, len(text) + 1 - column))
    shown = "" if secret else mask(text)
    return LocatedProblem(source.name, line, column, dotted(path), message, hint, shown, width)


def mask(line: str) -> str:
    """The line with bullets for what looks like a secret: values of keys that tell so, and long runs of key material. Its length
    stays."""
    told = _told_of_secrets(line)
    return _KEY_MATERIAL.sub(lambda match: "•" * len(match[0]), line[:told]) + "•" * (len(line) - told)


def _told_of_secrets(line: str) -> int:
    """Where the first value of a telling key begins; the line's length without one. Each character is looked at a few times."""
    for word in _WORD.finditer(line):
        if _TELLING.search(line, word.start(), word.end()) and (assigned := _ASSIGNMENT.match(line, word.end())):
            return assigned.end()
    return len(line)


def in_order(problems: Iterable[LocatedProblem]) -> list[LocatedProblem]:
    """By place in the text; files stay in the order in which they first appear."""
    found = list(problems)
    files = {name: index for index, name in enumerate(dict.fromkeys(problem.file for problem in found))}
    return sorted(found, key=lambda problem: (files[problem.file], problem.line, problem.col))


def headline(problem: LocatedProblem) -> str:
    """`file:line:col: key: message`, without what is not known."""
    place = f"{problem.file}:{problem.line}:{problem.col}" if problem.line else problem.file
    return ": ".join(part for part in (place, problem.path, problem.message) if part)


def _render(problem: LocatedProblem, *, color: bool) -> str:
    red, bold, dim, plain = ("\033[31m", "\033[1m", "\033[2m", "\033[0m") if color else ("", "", "", "")
    lines = [f"{bold}{_printable(headline(problem))}{plain}"]
    if problem.source_line:
        text, column = _window(problem.source_line, problem.col)
        before, marked = text[: column - 1], text[column - 1 : column - 1 + problem.width]
        carets = "^" * max(1, _columns(marked))
        lines.append(f"{dim}{problem.line:5} |{plain} {text}".rstrip())
        lines.append(f"{dim}      |{plain} {' ' * _columns(before)}{red}{carets}{plain}")
    if problem.hint:
        lines.append(f"{dim}      ={plain} {_printable(problem.hint)}")
    return "\n".join(lines)


def _window(line: str, column: int) -> tuple[str, int]:
    start = max(0, min(column - 1 - SHOWN_COLUMNS // 2, len(line) - SHOWN_COLUMNS))
    return _printable(line[start : start + SHOWN_COLUMNS]), column - start


def _printable(text: str) -> str:
    """One character for each, so that carets stay in place. A terminal never gets a control character of the file."""
    return "".join(char if char.isprintable() else " " if char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def _columns(text: Sequence[str]) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 0 if unicodedata.combining(char) else 1 for char in text)
