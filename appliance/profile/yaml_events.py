"""What a parser of YAML says about a text, as both of them say it."""

from __future__ import annotations

from typing import Protocol


class Mark(Protocol):
    """A place, counted from 0."""

    line: int
    column: int


class Event(Protocol):
    """Something in a text, from where to where."""

    start_mark: Mark
    end_mark: Mark


class DocumentStartEvent(Event, Protocol):
    """A document begins."""

    version: tuple[int, int] | None
    """That of a line %YAML; None if there is none."""


class AliasEvent(Event, Protocol):
    """A value is repeated."""

    anchor: str
    """The name of the anchor that marks it."""


class NodeEvent(Event, Protocol):
    """A value begins, with the anchor and the tag that were written before it."""

    anchor: str | None
    tag: str | None


class ScalarEvent(NodeEvent, Protocol):
    """Text."""

    value: str
    style: str | None
    """A quote, | or >; None or empty if it has none."""
