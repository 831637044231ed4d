"""What a lab writes down on a host before it changes something there, so that any later lab can undo it; and what apt tells of
packages that are to come."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final, NamedTuple

from appliance.lab.machines.machine import LabFailure

NOTHING: Final = "not-installed"
CONFIGURED: Final = "config-files"
"""dpkg's words for a package that is not there, and for one that has been removed but for its configuration."""
_STEP: Final = re.compile(r"^(Inst|Remv) (\S+)( \[)?", re.MULTILINE)
"""Of `apt-get --simulate`. The version in brackets is the one that is there."""


@dataclass(frozen=True, slots=True)
class Notes:
    """How a host was, and what came."""

    lab: str
    """Whose they are, for people: `lab-… on HOST`."""
    users: tuple[str, ...] = ()
    """Of the package's users, those that were there."""
    folders: tuple[str, ...] = ()
    """Of the node's folders, those that were there. They were empty."""
    enabled: bool = False
    """Was the service?"""
    came: tuple[str, ...] = ()
    """The Debian packages that were not there, and that apt was to install."""
    configured: tuple[str, ...] = ()
    """Of these, the ones whose configuration was there."""

    def text(self) -> str:
        """As they are written down."""
        return json.dumps(asdict(self))


def read(text: str) -> Notes:
    """The notes in a file. Raises LabFailure if these are none."""
    try:
        found = json.loads(text)
        return Notes(
            str(found["lab"]),
            enabled=bool(found["enabled"]),
            **{name: tuple(map(str, found[name])) for name in ("users", "folders", "came", "configured")},
        )
    except (ValueError, KeyError, TypeError):
        raise LabFailure(f"the notes of the lab before cannot be read: {text[:200]!r}") from None


class Coming(NamedTuple):
    """What apt would do."""

    new: tuple[str, ...]
    """Packages that it would install."""
    changed: tuple[str, ...]
    """Packages that are there, and that it would remove, or replace by another version."""


def coming(simulated: str) -> Coming:
    """What `apt-get --simulate` says."""
    new: list[str] = []
    changed: list[str] = []
    for verb, name, version in _STEP.findall(simulated):
        (new if verb == "Inst" and not version else changed).append(name)
    return Coming(tuple(new), tuple(dict.fromkeys(changed)))


def states(told: str) -> dict[str, str]:
    """The word of dpkg for each package, from lines of `${db:Status-Status} ${Package}` (dpkg-query(1))."""
    return {name: word for word, name in (line.split() for line in told.splitlines() if line.count(" ") == 1)}


def installed(states_now: dict[str, str], names: Iterable[str]) -> list[str]:
    """Those of the packages that are there, be it in part."""
    return [name for name in names if states_now.get(name, NOTHING) not in (NOTHING, CONFIGURED)]
