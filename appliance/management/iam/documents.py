"""A record as a document and back: a dict that is fit for JSON, with the record's fields as keys.

A document may have keys that this version does not know (a newer one wrote them): they are ignored. It may miss keys that have a
default (an older one wrote it).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar, cast

RecordT = TypeVar("RecordT", bound=tuple[Any, ...])


def document_of(record: NamedTuple) -> dict[str, Any]:
    """The record's fields by name; tuples as lists."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in record._asdict().items()}


def record_of(kind: type[RecordT], document: Mapping[str, Any]) -> RecordT:
    """The record that a document says; lists as tuples. Raises TypeError when a field without a default is missing."""
    fields: tuple[str, ...] = cast("Any", kind)._fields
    known = {name: document[name] for name in fields if name in document}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in known.items()})
