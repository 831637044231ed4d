"""One difference."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """How much it matters to a client that was written for the older description."""

    BREAKING = "breaking"
    """What worked may not work any more."""
    ADDITION = "addition"
    """There is more than before, and whoever does not know of it notices nothing."""


class Change(NamedTuple):
    """One difference, with a sentence about it."""

    kind: Kind
    where: str
    """The operation, and what of it: "GET /api/v1/peers answer items[].name"."""
    sentence: str


def breaking(where: str, sentence: str) -> Change:
    """A difference that clients notice."""
    return Change(Kind.BREAKING, where, sentence)


def addition(where: str, sentence: str) -> Change:
    """A difference that they do not."""
    return Change(Kind.ADDITION, where, sentence)
