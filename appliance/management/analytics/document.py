"""Reading what a node says of itself: what is missing or of another form (another version's) is nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]


def number(value: Any) -> float | None:
    """A number; None if it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def mapping(document: Document, name: str) -> Document:
    """The object of that name; empty if there is none."""
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}


def mappings(document: Document, name: str) -> Sequence[Document]:
    """The objects in the list of that name."""
    found = document.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, Sequence) else []
