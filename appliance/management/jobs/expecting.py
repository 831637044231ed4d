"""Does an answer have what a step expects of it? Compares values; computes nothing.

The words about it go into the stream of the execution, which more people may read than may have the answer, so they have no
texts of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def differs(expected: Any, answer: Any, path: str = "answer") -> str:
    """What is not as expected, in words; "" if all is. A mapping has to have the expected keys and may have more; anything else
    has to be equal."""
    if isinstance(expected, Mapping):
        if not isinstance(answer, Mapping):
            return f"{path} is {_shown(answer)}, expected {_shown(expected)}"
        for key, value in expected.items():
            if key not in answer:
                return f"{path} has no {key}"
            if said := differs(value, answer[key], f"{path}.{key}"):
                return said
        return ""
    if isinstance(expected, bool) is isinstance(answer, bool) and expected == answer:
        return ""
    return f"{path} is {_shown(answer)}, expected {_shown(expected)}"


def _shown(value: Any) -> str:
    match value:
        case None | bool() | int() | float():
            return json.dumps(value)
        case str():
            return "a text" if value else "an empty text"
        case Mapping():
            return "a mapping"
        case _:
            return "a list"
