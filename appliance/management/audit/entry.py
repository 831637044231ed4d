"""One entry of the audit log: who did what to which target, and what came of it. Cleaned and bounded here, whoever says it.

An entry never holds a secret: of a profile or a parcel of statements it has the hash, and of arguments only what a table names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

MOST_TEXT: Final = 200
"""Characters of a text. A line of the log then has room for all of them: see `MOST_LINE_BYTES`."""
MOST_ROLES: Final = 16
MOST_MORE: Final = 8
MOST_NUMBER: Final = 2**53 - 1
"""The largest number that every JSON reader knows exactly."""
UNSHOWABLE: Final = "\ufffd"


class Outcome(StrEnum):
    """What came of it."""

    ALLOWED = "allowed"
    """It begins: he may. What came of it is another entry."""
    DENIED = "denied"
    """He may not."""
    FAILED = "failed"
    """He may, and it could not be done."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who asks."""

    kind: str
    """"node" (it itself), "local" (a user of this host), "api" (a user of the API server), "peer"."""
    name: str = ""
    uid: int | None = None
    roles: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """JSON-able; what is not known is left out."""
        told: dict[str, Any] = {"kind": clean(self.kind)}
        if self.name:
            told["name"] = clean(self.name)
        if self.uid is not None:
            told["uid"] = _bounded(self.uid)
        if self.roles:
            told["roles"] = [clean(role) for role in self.roles[:MOST_ROLES]]
        return told


NODE: Final = Who("node")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be recorded."""

    what: str
    """The operation, or what happened: "reload", "node.started"."""
    outcome: Outcome
    who: Who = NODE
    told_by: Who | None = None
    """Who says so, where the node only has his word for it."""
    permission: str = ""
    target: str = ""
    reason: str = ""
    """A code."""
    request: str = ""
    """What entries of one request have in common."""
    times: int = 1
    """So often, in a while."""
    more: Mapping[str, str | int] | None = None


def text_of(entry: Entry, number: int, time: str) -> bytes:
    """The entry as it is hashed and written: one line of canonical JSON, without its end. `time` is RFC 3339 in UTC."""
    said: dict[str, Any] = {
        "n": number,
        "time": time,
        "what": clean(entry.what),
        "outcome": str(entry.outcome),
        "who": entry.who.document(),
    }
    for key in ("permission", "target", "reason", "request"):
        if value := getattr(entry, key):
            said[key] = clean(value)
    if entry.told_by is not None:
        said["told_by"] = entry.told_by.document()
    if entry.times != 1:
        said["times"] = _bounded(entry.times)
    if entry.more:
        said["more"] = {clean(key): _value(entry.more[key]) for key in sorted(entry.more)[:MOST_MORE]}
    return canonical(said)


def canonical(document: Mapping[str, Any]) -> bytes:
    """Keys in order, no spaces, UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def clean(text: str, most: int = MOST_TEXT) -> str:
    """Fit for a log and a terminal: no control characters, nothing that turns the writing round, no half characters; so many
    characters at most."""
    cut = text[:most]
    return cut if cut.isprintable() else "".join(each if each.isprintable() else UNSHOWABLE for each in cut)


def _value(value: str | int) -> str | int:
    return clean(value) if isinstance(value, str) else _bounded(value)


def _bounded(number: int) -> int:
    return max(-MOST_NUMBER, min(number, MOST_NUMBER))


MOST_LINE_BYTES: Final = 64 * 1024
"""Of a line: more than all texts of an entry together, each character in four bytes (JSON escapes only what two bytes have)."""
