"""The header `traceparent` (W3C, Trace Context): taken, continued, and made where there is none. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

_PATTERN: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_SAMPLED: Final = 1
"""Section 3.2.2.5.1: the caller may have recorded its part."""
_RANDOM_BITS: Final = 56
"""Of a trace's identifier (Trace Context level 2, section 3.2.2.5.2): the last 14 digits are as good as random."""


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

    @property
    def sampled(self) -> bool:
        """Are the steps of this trace recorded?"""
        return bool(int(self.flags, 16) & _SAMPLED)

    def below(self, entropy: Callable[[int], bytes]) -> Trace:
        """A step within this one."""
        return self._replace(span=entropy(8).hex())


def read(header: str) -> Trace | None:
    """The step that a caller names; None if that is no traceparent."""
    found = _PATTERN.fullmatch(header)
    if found is None or found[1] == "ff" or not int(found[2], 16) or not int(found[3], 16) or (found[1] == "00" and found[5]):
        return None
    return Trace(found[2], found[3], f"{int(found[4], 16) & _SAMPLED:02x}")


def first(sample: float, entropy: Callable[[int], bytes]) -> Trace:
    """The first step of a new trace, of which the share `sample` is recorded. That is decided here, once: whoever continues the
    trace finds it in the flags."""
    trace = entropy(16).hex()
    recorded = int(trace[-_RANDOM_BITS // 4 :], 16) < sample * (1 << _RANDOM_BITS)
    return Trace(trace, entropy(8).hex(), f"{_SAMPLED if recorded else 0:02x}")


def continued(header: str, entropy: Callable[[int], bytes], sample: float = 0.0) -> Trace:
    """Our step of the trace that a request belongs to, or the first of a new one. `entropy(count)` gives random bytes."""
    found = read(header)
    return first(sample, entropy) if found is None else found.below(entropy)
