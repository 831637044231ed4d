"""Parameters in arguments: `${name}` stands for a value. Values are put in as they are, and never looked through for more names.

A text that is `${name}` alone becomes the value itself, of its own type. Within a longer text the value is written out. `$${` is
a `${` that means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from appliance.management.jobs.template import REFERENCE

HIDDEN: Final = "[secret]"
"""Stands where a secret parameter's value is."""

_PIECE: Final = re.compile(r"\$\$\{|" + REFERENCE.pattern)


def fill(value: Any, values: Mapping[str, Any]) -> Any:
    """`value` with the parameters put in. Entries whose whole value is a parameter that was not given are left out."""
    match value:
        case str():
            return _text(value, values)
        case Mapping():
            return {key: fill(inner, values) for key, inner in value.items() if not _missing(inner, values)}
        case list() | tuple():
            return [fill(inner, values) for inner in value if not _missing(inner, values)]
        case _:
            return value


def names_in(value: Any) -> Iterator[tuple[str, bool]]:
    """Each parameter that is named, and whether it is a whole value."""
    match value:
        case str():
            alone = REFERENCE.fullmatch(value) is not None
            yield from ((found[1], alone) for found in _PIECE.finditer(value) if found[1])
        case Mapping():
            for inner in value.values():
                yield from names_in(inner)
        case list() | tuple():
            for inner in value:
                yield from names_in(inner)


def hide(value: Any, secrets: Sequence[str]) -> Any:
    """`value` without the values of secret parameters, wherever in its texts and keys they are."""
    found = sorted((secret for secret in secrets if secret), key=len, reverse=True)
    return _hide(value, re.compile("|".join(map(re.escape, found)))) if found else value


def _hide(value: Any, secrets: re.Pattern[str]) -> Any:
    match value:
        case str():
            return secrets.sub(HIDDEN, value)
        case Mapping():
            return {secrets.sub(HIDDEN, str(key)): _hide(inner, secrets) for key, inner in value.items()}
        case list() | tuple():
            return [_hide(inner, secrets) for inner in value]
        case _:
            return value


def _missing(value: Any, values: Mapping[str, Any]) -> bool:
    found = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return found is not None and values.get(found[1]) is None


def _text(text: str, values: Mapping[str, Any]) -> Any:
    if alone := REFERENCE.fullmatch(text):
        return values[alone[1]]
    return _PIECE.sub(lambda found: _written(values[found[1]]) if found[1] else "${", text)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
