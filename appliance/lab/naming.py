"""Names that tell which lab a thing belongs to, so that the next lab can remove what a killed one left behind.

A tag is `lab-PID-START-SERIAL`: the process that owns the lab, when that started (process numbers are used again), and which of
its labs it is. Namespaces are called TAG-HOST, the scratch directory TAG.RANDOM.
"""

from __future__ import annotations

import itertools
import os
import re
from typing import NamedTuple

from appliance.runtime.workers.orphans import start_time

_TAG = re.compile(r"lab-([0-9]+)-([0-9]+)-([0-9]+)(?=[-.])")
_serials = itertools.count(1)


class Tag(NamedTuple):
    """What the names of a lab's things begin with."""

    pid: int
    """The number of the process that owns the lab."""
    started: int
    """When that process started, in clock ticks since boot."""
    serial: int
    """Which of its labs it is."""

    def __str__(self) -> str:
        return f"lab-{self.pid}-{self.started}-{self.serial}"

    def names(self, thing: str) -> bool:
        """Has this namespace or directory the tag?"""
        return tag_of(thing) == self

    @property
    def owner_lives(self) -> bool:
        """Does the process that made the lab still run?"""
        return start_time(self.pid) == self.started


def new_tag() -> Tag:
    """A tag that nothing has yet."""
    started = start_time(os.getpid())
    return Tag(os.getpid(), started if started is not None else 0, next(_serials))


def tag_of(name: str) -> Tag | None:
    """The tag in a name; None if it does not belong to a lab."""
    found = _TAG.match(name)
    return Tag(*map(int, found.groups())) if found else None
