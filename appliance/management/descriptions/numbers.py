"""Numbers of fields in Protocol Buffers: on the wire they are the fields' names, so one that was given stays, given once."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Final

_RESERVED: Final = range(19000, 20000)
"""Of the format itself (Protocol Buffers, "Assigning Field Numbers")."""


class Numbers:
    """`known`: numbers of fields by message, those of fields that are gone too."""

    def __init__(self, known: Mapping[str, Mapping[str, int]]) -> None:
        self._known = {message: dict(fields) for message, fields in known.items()}

    def of(self, message: str, fields: Collection[str]) -> Mapping[str, int]:
        """The numbers of a message: of these fields, new ones behind all that ever were, and of those that are gone."""
        found = self._known.setdefault(message, {})
        for field in fields:
            if field not in found:
                number = max(found.values(), default=0) + 1
                found[field] = _RESERVED.stop if number in _RESERVED else number
        return found

    def text(self) -> str:
        """For the file in which they are kept."""
        ordered = {
            message: dict(sorted(fields.items(), key=lambda pair: pair[1])) for message, fields in sorted(self._known.items())
        }
        return json.dumps(ordered, indent=1, ensure_ascii=False) + "\n"


def numbers(text: str) -> Numbers:
    """From the file; an empty text has none. Raises ValueError where two fields of a message have one number."""
    known = json.loads(text) if text else {}
    for message, fields in known.items():
        if len(set(fields.values())) < len(fields):
            raise ValueError(f"{message}: two fields have one number")
    return Numbers(known)
