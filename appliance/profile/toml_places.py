"""Where each key and value of a TOML document stands; the standard library's parser does not tell.

Works only on text that `tomllib` has accepted, so it skips over values and judges nothing.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from appliance.profile.document import KeyPath


class Place(NamedTuple):
    """As the fields of `document.Spot` behind its source. All count from 1."""

    line: int
    column: int
    width: int
    key_line: int
    key_column: int
    key_width: int


def places(text: str) -> Iterator[tuple[KeyPath, Place]]:
    """Each key path that is written down, with its place. A table that is only implied by a child has none."""
    return _Scanner(text.replace("\r\n", "\n")).run()


_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_TEXT = re.compile(
    r'''"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''',
    re.DOTALL,
)
_BARE = re.compile(r"[^,\]}#\n]+")


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._last_index: dict[KeyPath, int] = {}  # of arrays of tables

    def run(self) -> Iterator[tuple[KeyPath, Place]]:
        table: KeyPath = ()
        while self._skip(_BLANK) < len(self._text):
            start = self._at
            if self._take("[["):
                table = self._array_table(self._keys())
                self._at += 2
                yield table, self._place(start, self._at, start, self._at)
            elif self._take("["):
                table = self._resolve(self._keys())
                self._at += 1
                yield table, self._place(start, self._at, start, self._at)
            else:
                yield from self._entry(table)

    def _entry(self, table: KeyPath) -> Iterator[tuple[KeyPath, Place]]:
        start = self._at
        path = table + self._keys()
        end = self._at
        self._skip(_SPACE)
        self._take("=")
        self._skip(_SPACE)
        yield from self._value(path, start, end)

    def _value(self, path: KeyPath, key_start: int, key_end: int) -> Iterator[tuple[KeyPath, Place]]:
        start = self._at
        if self._take("["):
            yield from self._array(path)
        elif self._take("{"):
            yield from self._inline_table(path)
        elif self._text[start] in "\"'":
            self._skip(_TEXT)
        else:
            self._skip(_BARE)
            self._at = start + len(self._text[start : self._at].rstrip())
        yield path, self._place(start, self._at, key_start, key_end)

    def _array(self, path: KeyPath) -> Iterator[tuple[KeyPath, Place]]:
        index = 0
        while self._skip(_BLANK) < len(self._text) and not self._take("]"):
            start = self._at
            end = start
            for item_path, place in self._value((*path, index), start, end):
                yield item_path, place if len(item_path) > len(path) + 1 else place._replace(key_width=place.width)
            index += 1
            self._skip(_BLANK)
            self._take(",")

    def _inline_table(self, path: KeyPath) -> Iterator[tuple[KeyPath, Place]]:
        while self._skip(_BLANK) < len(self._text) and not self._take("}"):
            yield from self._entry(path)
            self._skip(_BLANK)
            self._take(",")

    def _keys(self) -> KeyPath:
        """A dotted key; `_at` ends behind its last part."""
        keys: list[str] = []
        while True:
            self._skip(_SPACE)
            match = _KEY.match(self._text, self._at)
            assert match is not None, "tomllib accepted this key"
            self._at = match.end()
            keys.append(_unquoted(match[0]))
            after = self._at
            self._skip(_SPACE)
            if not self._take("."):
                self._at = after
                return tuple(keys)

    def _resolve(self, keys: KeyPath) -> KeyPath:
        """The path of a table's header: where it goes through an array of tables, its last table is meant."""
        path: KeyPath = ()
        for key in keys:
            path = (*path, key)
            if path in self._last_index:
                path = (*path, self._last_index[path])
        return path

    def _array_table(self, keys: KeyPath) -> KeyPath:
        array = (*self._resolve(keys[:-1]), keys[-1])
        self._last_index[array] = self._last_index.get(array, -1) + 1
        return (*array, self._last_index[array])

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
        return self._at

    def _take(self, mark: str) -> bool:
        found = self._text.startswith(mark, self._at)
        if found:
            self._at += len(mark)
        return found

    def _place(self, start: int, end: int, key_start: int, key_end: int) -> Place:
        line, column, width = self._span(start, end)
        return Place(line, column, width, *self._span(key_start, key_end))

    def _span(self, start: int, end: int) -> tuple[int, int, int]:
        line = bisect_right(self._starts, start)
        line_end = self._starts[line] - 1 if line < len(self._starts) else len(self._text)
        return line, start - self._starts[line - 1] + 1, max(1, min(end, line_end) - start)


def _unquoted(key: str) -> str:
    if key[0] not in "\"'":
        return key
    return next(iter(tomllib.loads(f"{key}=0")))
