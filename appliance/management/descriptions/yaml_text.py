"""JSON's values as YAML 1.2 that people read: block style, and strings quoted as JSON quotes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Words that some reader takes for something else than a word."""


def yaml_text(value: Any) -> str:
    """The text, with a newline at its end."""
    return "\n".join(_lines(value, 0)) + "\n"


def _lines(value: Any, indent: int) -> Iterator[str]:
    pad = " " * indent
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _entry(f"{pad}{_scalar(str(key))}:", each, indent + 2)
    elif isinstance(value, list | tuple) and value:
        for each in value:
            yield from _entry(f"{pad}-", each, indent + 2)
    else:
        yield pad + _scalar(value)


def _entry(head: str, value: Any, indent: int) -> Iterator[str]:
    if isinstance(value, Mapping | list | tuple) and value:
        yield head
        yield from _lines(value, indent)
    else:
        yield f"{head} {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
