"""Is a text what an operation takes, or what it answers? Judged as the API judges bodies: by the letter of JSON."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import ValidationError

from appliance.management.operations.row import Row

_OF_KEYS = {"extra_forbidden", "missing"}


class Wrong(NamedTuple):
    """One thing that is wrong."""

    path: tuple[str | int, ...]
    message: str
    at_key: bool
    """It is about the key, not about its value."""


def wrong(row: Row, text: str, *, answer: bool) -> list[Wrong]:
    """What is wrong with JSON as the row's arguments, or as its answer, without values: a secret may be among them."""
    try:
        (row.result if answer else row.arguments).model_validate_json(text, strict=True)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        return [Wrong(each["loc"], each["msg"], each["type"] in _OF_KEYS) for each in found]
    return []
