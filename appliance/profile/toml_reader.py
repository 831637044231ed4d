"""TOML 1.0 text becomes a document: values by the standard library, places by `toml_places`."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from typing import Any

from appliance.profile.document import INTEGERS, Document, KeyPath, Source, Spot, walk
from appliance.profile.problems import LocatedProblem, at
from appliance.profile.toml_places import Place, places

MAX_DEPTH = 32

_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')[ \t]*"""
_LONG_KEY = re.compile(rf"(?:^|[\[{{,])[ \t]*(?:{_KEY}\.[ \t]*){{{MAX_DEPTH}}}", re.MULTILINE)
"""A dotted key that nests too deep. The standard library's time grows with the square of its parts."""
_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_TWICE = ("Cannot overwrite a value", "Cannot declare", "Cannot mutate immutable", "Cannot redefine")


def read_toml(text: str, source: Source) -> tuple[Document | None, list[LocatedProblem]]:
    """The document in `text`, and what is wrong with it as TOML. None: it could not be read to its end."""
    if too_long := _LONG_KEY.search(text):
        return None, [at(source, text.count("\n", 0, too_long.end()) + 1, 1, f"a key of more than {MAX_DEPTH} parts")]
    try:
        tree = tomllib.loads(text)
        deep = _deepest(tree)
        found = _with_parents(dict(places(text))) if deep is None else {}
    except tomllib.TOMLDecodeError as error:
        return None, [_syntax_problem(str(error), source)]
    except ValueError as error:  # tomllib lets int() complain of a number that is too long
        return None, [at(source, 1, 1, f"this is not TOML: {error}")]
    except RecursionError:
        deep, tree, found = (), {}, {}
    if deep is not None:
        return None, [at(source, 1, 1, f"nested deeper than {MAX_DEPTH} levels", path=deep)]
    spots = {path: _spot(path, found, source) for path, _ in walk(tree)}
    if too_large := _too_large(tree, spots):  # such a number could not be shown by whoever finds it unfit
        return None, too_large
    return Document(tree, spots), _dates(tree, spots)


def _deepest(tree: Any) -> KeyPath | None:
    """A path that is nested too deeply, if there is one."""
    waiting: list[tuple[KeyPath, Any]] = [((), tree)]
    while waiting:
        path, value = waiting.pop()
        if len(path) > MAX_DEPTH:
            return path[:3]
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        waiting.extend(((*path, key), child) for key, child in children)
    return None


def _with_parents(found: dict[KeyPath, Place]) -> dict[KeyPath, Place]:
    """A table that exists only by its children stands where the first of them does."""
    for path, place in list(found.items()):
        for length in range(1, len(path)):
            found.setdefault(path[:length], place)
    return found


def _spot(path: KeyPath, found: dict[KeyPath, Place], source: Source) -> Spot:
    place = found.get(path)
    return Spot(source, *place) if place else Spot(source, 1, 1, 1, 1, 1, 1)


def _too_large(tree: Any, spots: dict[KeyPath, Spot]) -> list[LocatedProblem]:
    """The standard library reads numbers of any length, though TOML ends at 64 bits."""
    numbers = [path for path, value in walk(tree) if isinstance(value, int) and value not in INTEGERS]
    return [_at(spots[path], path, "this number is too large", "whole numbers have up to 64 bits") for path in numbers]


def _dates(tree: Any, spots: dict[KeyPath, Spot]) -> list[LocatedProblem]:
    """TOML knows dates; no key of a profile takes one, and most are meant as text."""
    dates = [path for path, value in walk(tree) if isinstance(value, dt.date | dt.time)]
    return [_at(spots[path], path, "this is a date or time", "put it in quotes") for path in dates]


def _at(spot: Spot, path: KeyPath, message: str, hint: str) -> LocatedProblem:
    return at(spot.source, spot.line, spot.column, message, hint, path=path)


def _syntax_problem(text: str, source: Source) -> LocatedProblem:
    where = _WHERE.search(text)
    message = text[: where.start()] if where else text
    line, column = (int(where[1]), int(where[2])) if where and where[1] else (len(source.lines), len(source.lines[-1]) + 1)
    if message.startswith(_TWICE):
        text = source.lines[line - 1]
        indent = len(text) - len(text.lstrip())
        return at(source, line, indent + 1, "this key or table is given twice", "keep one of the two", width=len(text) - indent)
    return at(source, line, column, f"this is not TOML: {message[:1].lower()}{message[1:]}", _syntax_hint(source.lines[line - 1]))


def _syntax_hint(line: str) -> str:
    if re.match(r"\s*[\w.-]+\s*:\s", line):
        return "TOML writes key = value; the colon is YAML's"
    if re.search(r"=\s*[A-Za-z]", line):
        return "text is written in quotes"
    return ""
