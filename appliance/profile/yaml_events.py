"""What a parser of YAML says about a text, as both of them say it."""

from __future__ import annotations

from typing import Protocol


class Mark(Protocol):
    """A place, counted from 0."""

    line: int
    column: int


class Event(Protocol):
    """From where to where something stands."""

    start_mark: Mark
    end_mark: Mark


class DocumentStartEvent(Event, Protocol):
    """`version` is that of a line %YAML."""

    version: tuple[int, int] | None


class AliasEvent(Event, Protocol):
    """What is repeated."""

    anchor: str


class NodeEvent(Event, Protocol):
    """The anchor and the tag that were written before it."""

    anchor: str | None
    tag: str | None


class ScalarEvent(NodeEvent, Protocol):
    """Text. `style` is a quote, | or >, or nothing."""

    value: str
    style: str | None
