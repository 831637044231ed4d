"""A document: plain values (mappings, lists, scalars) and where each key and value was written.

Knows nothing of formats or of the profile's model. Lines and columns count from 1, columns in characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

KeyPath = tuple[str | int, ...]
"""The way from the root to a value: keys of mappings and indices (from 0) of lists."""

INTEGERS = range(-(2**63), 2**63)
"""The whole numbers that a document may hold, as in TOML. A number of more than 4,300 digits could not even be shown in a
message: Python does not write it out."""
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Source:
    """Where text came from."""

    name: str
    """What an admin knows it by: a file, or the name of a variable."""
    kind: Literal["file", "environment", "credential"] = "file"
    lines: Sequence[str] = field(default=(), repr=False)
    """The lines of the text; empty if they must not be shown."""
    path: Path | None = None
    """The file that was read; None if it was none."""


class Spot(NamedTuple):
    """Where a value and its key stand. An item of a list has no key: then the value stands for it."""

    source: Source
    line: int
    column: int
    width: int
    """Characters of the value on its first line."""
    key_line: int
    key_column: int
    key_width: int
    """Characters of the key."""
    plain: bool = False
    """It is YAML text without quotes."""


@dataclass(frozen=True, slots=True)
class Document:
    """Values, and where each was written."""

    tree: Any
    """The values: mappings, lists and scalars."""
    spots: Mapping[KeyPath, Spot]
    """An entry for each value, the root included."""

    def at(self, path: KeyPath) -> Any:
        """The value at a path; None if there is none."""
        value = self.tree
        for step in path:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value

    def nearest(self, path: KeyPath) -> tuple[KeyPath, Spot | None]:
        """The longest part of `path` that was written somewhere, and where that is."""
        while path and path not in self.spots:
            path = path[:-1]
        return path, self.spots.get(path)


def lines_of(text: str) -> tuple[str, ...]:
    """The lines as YAML counts them (YAML 1.2, section 5.4, with the line breaks of 1.1, which the scanner still counts)."""
    return tuple(_LINE_BREAK.split(text))


def dotted(path: KeyPath) -> str:
    """The form people read: "peers.0.endpoints.1"."""
    return ".".join(map(str, path))


def walk(tree: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Each value below `tree` with its path, parents first."""
    yield path, tree
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from walk(value, (*path, key))
    elif isinstance(tree, list | tuple):
        for index, value in enumerate(tree):
            yield from walk(value, (*path, index))
