"""What a store is: records by space and key, and logs whose ids only grow. All changes of one commit happen, or none.

Nothing here knows what is kept. Who reads, decides and then writes says in `expect` what it had read, and begins again on
`Conflict`: that is how two API servers, or two requests, share a store without locks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from appliance.errors import ApplianceError, ExitCode

MOST_KEY: int = 512
"""Bytes of a space's name, a log's name, or a key, as UTF-8."""
MOST_VALUE: int = 1 << 20
"""Bytes of a value. What is larger is cut into several records by whoever keeps it."""
KEEP: int = 10_000
"""Entries of a log that stay, unless whoever appends says otherwise."""


class Conflict(ApplianceError):
    """Somebody else changed a record first. Nothing was changed; read again and decide anew."""

    exit_code = ExitCode.RETRY
    retryable = True


class StoreFull(ApplianceError):
    """There is no room, on the disk or within the store's limit. Nothing was changed; reading goes on."""

    exit_code = ExitCode.RETRY
    retryable = True


class StoreBroken(ApplianceError):
    """The store cannot be read or written. The hint says what to do."""


class Record(NamedTuple):
    """What is kept under a key."""

    key: str
    value: bytes
    version: int
    """1 for the first value of a key, and one more with each that follows. A key that is written again after it was deleted may
    begin anew."""


class Put(NamedTuple):
    """Keep `value` under `key`."""

    space: str
    key: str
    value: bytes
    expect: int | None = None
    """The version that is there. 0: nothing is; None: whatever is."""
    expires: int | None = None
    """Unix seconds from which on readers do not find it any more."""


class Delete(NamedTuple):
    """Keep nothing under `key`."""

    space: str
    key: str
    expect: int | None = None
    """As in `Put`."""


class Append(NamedTuple):
    """Add an entry to a log."""

    log: str
    value: bytes
    keep: int = KEEP
    """So many entries stay, the newest."""


Change = Put | Delete | Append


class Entry(NamedTuple):
    """One entry of a log."""

    id: int
    """From 1 on, larger than those of all earlier entries of its log, and never used twice."""
    value: bytes


class Tail(NamedTuple):
    """Entries of a log behind a cursor."""

    entries: list[Entry]
    oldest: int
    """The id of the oldest entry that is still there; of a log without entries one more than `newest`. Whoever has read only up
    to less than `oldest - 1` has missed entries."""
    newest: int
    """The largest id that was ever given; 0 if none was."""


class Store(Protocol):
    """A store. All may raise StoreBroken."""

    async def get(self, space: str, key: str) -> Record | None:
        """The record of a key; None if there is none, or it expired."""

    async def scan(self, space: str, *, prefix: str = "", after: str = "", limit: int = 100) -> list[Record]:
        """Records whose keys begin with `prefix` and are greater than `after`, ordered by the key's UTF-8 bytes."""

    async def commit(self, *changes: Change, durable: bool = True) -> list[int]:
        """Do all changes, or none. Returns, for each, the new version, the id of the entry, or 0 for what was deleted.

        `durable`: it outlives a power cut when this returns; otherwise a crash of the process only. Raises Conflict, StoreFull.
        """

    async def tail(self, log: str, after: int = 0, limit: int = 100) -> Tail:
        """Entries whose ids are greater than `after`, the oldest first."""

    def stats(self) -> Mapping[str, int]:
        """Figures of the store, by name: "commits", "conflicts", "reads", "bytes", "expired", …"""

    async def close(self) -> None:
        """End in order. Safe to call twice."""
