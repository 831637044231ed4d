"""Names and words of a description, as they may stand in a program. A description may come from anybody."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import Final

_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
LINE: Final = 116
"""Most characters of a line of comments."""


def parts(name: str) -> list[str]:
    """The words of a name, in small letters: "executionId" and "execution_id" have the same."""
    return [found.lower() for found in _PART.findall(name)] or ["x"]


def snake(name: str) -> str:
    """As in `execution_id`."""
    joined = "_".join(parts(name))
    return f"n{joined}" if joined[0].isdigit() else joined


def pascal(name: str, capitals: frozenset[str] = frozenset()) -> str:
    """As in `ExecutionId`; words of `capitals` are in capital letters."""
    joined = "".join(part.upper() if part in capitals else part.capitalize() for part in parts(name))
    return f"N{joined}" if joined[0].isdigit() else joined


class Names:
    """Gives each name once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def given(self, wanted: str) -> str:
        """That name, or the first free one behind it."""
        name, number = wanted, 2
        while name in self._taken:
            name, number = f"{wanted}{number}", number + 1
        self._taken.add(name)
        return name


def sentence(text: str) -> str:
    """With a capital letter first."""
    return text[:1].upper() + text[1:]


def comment(text: str, sign: str, indent: str = "") -> str:
    """Lines of comments, each behind `sign`; empty for no text. Nothing in the text ends a comment or is more than words."""
    plain = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    lines = textwrap.wrap(plain, LINE - len(indent), break_long_words=False, break_on_hyphens=False)
    return "".join(f"{indent}{sign} {line}\n" for line in lines)
