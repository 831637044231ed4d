"""The header `traceparent` (W3C, Trace Context): taken, continued, and made where there is none. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

_PATTERN: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)


class Trace(NamedTuple):
    """One step of a trace. Hexadecimal."""

    trace: str
    """32 digits."""
    span: str
    """16 digits: of this step."""
    flags: str
    """2 digits."""

    def __str__(self) -> str:
        return f"00-{self.trace}-{self.span}-{self.flags}"


def continued(header: str, entropy: Callable[[int], bytes]) -> Trace:
    """Our step of the trace that a request belongs to, or the first of a new one. `entropy(count)` gives random bytes."""
    found = _PATTERN.fullmatch(header)
    span = entropy(8).hex()
    if found is None or found[1] == "ff" or not int(found[2], 16) or not int(found[3], 16) or (found[1] == "00" and found[5]):
        return Trace(entropy(16).hex(), span, "00")
    return Trace(found[2], span, f"{int(found[4], 16) & 1:02x}")
