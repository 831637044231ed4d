"""JSON of a caller, by the letter of RFC 8259: no NaN, no number that a double has not, no half characters, and nothing
nested without end."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, Final

MOST_DEPTH: Final = 32
"""Of objects and lists within each other; real messages have five."""


class NoJson(ValueError):
    """It is none. The text says why, behind what it is about ("is no JSON"), and nothing of what was sent."""


def value_of(text: str | bytes) -> Any:
    """What it says. Raises NoJson."""
    try:
        found = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise NoJson("is no JSON (RFC 8259)") from None
    if _is_deeper(found, MOST_DEPTH):
        raise NoJson(f"has more than {MOST_DEPTH} objects or lists within each other")
    if not _can_be_written(text, found):
        raise NoJson("has a half of a surrogate pair, which is no character")
    return found


def _is_deeper(found: object, most: int) -> bool:
    """Looks no deeper than that, so it needs no deeper stack."""
    if not isinstance(found, dict | list):
        return False
    inner = found.values() if isinstance(found, dict) else found
    return most == 0 or any(_is_deeper(each, most - 1) for each in inner)


def _can_be_written(text: str | bytes, found: object) -> bool:
    """Could it be told to others in UTF-8? What is ASCII without escapes could."""
    escaped = "\\u" in text if isinstance(text, str) else b"\\u" in text
    if text.isascii() and not escaped:
        return True
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite(text: str) -> float:
    """1e999 is JSON, and no number that we have. Raises ValueError."""
    found = float(text)
    if not isfinite(found):
        raise ValueError(text)
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(name)
