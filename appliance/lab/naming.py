"""Names that tell whose a lab's things are, so that the next lab can remove what a killed one left behind.

A tag is `lab-PID-START-SERIAL`: the process that owns the lab, when it started (process numbers are used again), and a count
within it. Namespaces are called TAG-HOST, the scratch directory TAG.RANDOM.
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
    """The owner's process number and start time in clock ticks since boot, and which of its labs it is."""

    pid: int
    started: int
    serial: int

    def __str__(self) -> str:
        return f"lab-{self.pid}-{self.started}-{self.serial}"

    def names(self, thing: str) -> bool:
        """Does the name of a namespace or directory carry this tag?"""
        return tag_of(thing) == self

    @property
    def owner_lives(self) -> bool:
        """Does the process that made the lab still run?"""
        return start_time(self.pid) == self.started


def new_tag() -> Tag:
    """A tag that nothing carries yet."""
    started = start_time(os.getpid())
    return Tag(os.getpid(), started if started is not None else 0, next(_serials))


def tag_of(name: str) -> Tag | None:
    """The tag in a name, None when it is no lab's."""
    found = _TAG.match(name)
    return Tag(*map(int, found.groups())) if found else None
