"""What a store is: records by space and key, and logs whose ids only grow. All changes of one commit happen, or none.

Nothing here knows what is kept. Who reads, decides and then writes says in `expect` what it had read, and begins again on
`Conflict`: that is how two API servers, or two requests, share a store without locks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol, runtime_checkable

from appliance.api.api_parts import ApiServices
from appliance.errors import ApplianceError, ExitCode

MOST_KEY: int = 512
"""Bytes of a space's name, a log's name, or a key, as UTF-8."""
MOST_VALUE: int = 1 << 20
"""Bytes of a value. What is larger is cut into several records by whoever keeps it."""
SEALING: int = 128
"""Bytes that a store takes beyond that, for what sealing adds."""
KEEP: int = 10_000
"""Entries of a log that stay, unless whoever appends says otherwise."""
MOST_AT_A_TIME: int = 1_000
"""Records or entries of one answer. A larger `limit` is cut to this."""
LIMIT_BYTES: int = 256 << 20
"""Of a whole store, unless whoever opens it says otherwise."""
_LATEST: int = 1 << 53
"""Of moments and counts: what JavaScript can still tell from its neighbours."""


class ChangeInvalid(ApplianceError):
    """A change that no store takes: its key or its value is too large, for example. Nothing was changed."""

    exit_code = ExitCode.INVALID


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


class StoreAway(StoreBroken):
    """The store is elsewhere and cannot be reached now, such as a database that is being restarted. The same call may succeed
    later; of a commit it is not known whether it happened, where the message does not say so."""

    exit_code = ExitCode.RETRY
    retryable = True


class StoreDamaged(StoreBroken):
    """The store's file itself is wrong. Nothing is written any more; the last good copy takes its place at the next start."""


class StoreInUse(ApplianceError):
    """Another process has the store open for writing."""

    exit_code = ExitCode.RETRY
    retryable = True


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
    """Unix seconds from which on readers do not find it any more. The store removes it later: when it expired by the slowest
    clock of the last hour (`appliance.api.slowest_clock`), so that a clock that is wrong for a while takes nothing away;
    or when there is no room."""


class Delete(NamedTuple):
    """Keep nothing under `key`."""

    space: str
    key: str
    expect: int | None = None
    """As in `Put`."""


class Check(NamedTuple):
    """Change nothing, but only if the record is as it was read: for what a decision stands on and does not change."""

    space: str
    key: str
    expect: int
    """As in `Put`."""


class Append(NamedTuple):
    """Add an entry to a log."""

    log: str
    value: bytes
    keep: int = KEEP
    """So many entries stay, the newest."""


class Drop(NamedTuple):
    """Remove a log with all its entries. A log of that name begins anew then, with the id 1."""

    log: str


Change = Put | Delete | Check | Append | Drop


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
        """The record of a key; None if there is none, it expired, or there can be none."""

    async def scan(self, space: str, *, prefix: str = "", after: str = "", limit: int = 100) -> list[Record]:
        """Records whose keys begin with `prefix` and are greater than `after`, ordered by the key's UTF-8 bytes. There may be
        more if there are `limit` (or MOST_AT_A_TIME)."""

    async def commit(self, *changes: Change, durable: bool = True) -> list[int]:
        """Do all changes in their order, or none. Returns, for each, the version that is there now, the id of the entry, or 0
        for what is not there any more.

        `durable`: it outlives a power cut when this returns; otherwise a crash of the process only. Whoever is cancelled
        meanwhile does not know whether it happened. Raises Conflict, StoreFull, ChangeInvalid.
        """

    async def tail(self, log: str, after: int = 0, limit: int = 100) -> Tail:
        """Entries whose ids are greater than `after`, the oldest first."""

    def stats(self) -> Mapping[str, int]:
        """Figures of the store, by name: "commits", "conflicts", "reads", "bytes", "expired", …"""

    async def close(self) -> None:
        """End in order. Safe to call twice."""


class Kept(NamedTuple):
    """A value that is to be rewritten, if need be."""

    kind: str
    """ "record", or "entry" of a log."""
    name: str
    """Of the space, or the log."""
    key: str
    """Of the record; "" for an entry."""
    value: bytes


Rewrite = Callable[[Kept], bytes | None]
"""Another value of the same meaning; None to leave it as it is. May be called from another thread."""


@runtime_checkable
class RewritableStore(Store, Protocol):
    """A store whose values can be replaced without being changed for those who use it."""

    async def rewrite(self, rewrite: Rewrite, after: str, limit: int) -> str | None:
        """Let `rewrite` see the next `limit` values, all in one transaction, expired ones too. Versions and ids stay.

        `after`: "", then what the call before has returned; None: there are no more. What was there before the first call is seen
        once; what is written meanwhile may be seen or not. Raises what `rewrite` does, then nothing of this call is changed.
        """


def judge(changes: Sequence[Change], most_value: int = MOST_VALUE + SEALING) -> None:
    """What every store refuses, whatever is in it. Raises ChangeInvalid."""
    for change in changes:
        match change:
            case Put(_, _, value, _, expires):
                _judge_value(value, most_value)
                if expires is not None and not 0 <= expires <= _LATEST:
                    raise ChangeInvalid(f"a record cannot expire at {expires}", hint="it is a moment in Unix seconds")
            case Append(_, value, keep):
                _judge_value(value, most_value)
                if not 1 <= keep <= _LATEST:
                    raise ChangeInvalid(f"a log cannot keep {keep} entries", hint="it keeps one at least")
            case _:
                pass
        for name in change[: 1 if isinstance(change, Append | Drop) else 2]:
            if not is_name(name):
                raise ChangeInvalid("that cannot be a key", hint=f"a key has 1 to {MOST_KEY} bytes of UTF-8")


def is_name(name: object) -> bool:
    """Can it be a key, or the name of a space or log?"""
    if not isinstance(name, str) or not 0 < len(name) <= MOST_KEY:
        return False
    try:
        return len(name.encode()) <= MOST_KEY
    except UnicodeEncodeError:  # half of a surrogate pair, from JSON for example
        return False


def page(limit: int) -> int:
    """How many a reader gets who asked for `limit`."""
    return max(1, min(limit, MOST_AT_A_TIME))


def _judge_value(value: bytes, most: int) -> None:
    if len(value) > most:
        raise ChangeInvalid(f"a value of {len(value)} bytes", hint=f"a value has {MOST_VALUE} bytes at most")


class StoreKind(NamedTuple):
    """A store as registered by `appliance_stores()`; see `api.kinds`.

    `name` is the key below `management.store` in a profile. Entering the context opens the store, and raises ApplianceError if
    that cannot be: the API server says so and is started again later. Values come to it sealed.
    """

    name: str
    settings: Callable[[], type[Any]] | None
    open: Callable[[Any, ApiServices], AbstractAsyncContextManager[RewritableStore]]
    imports: tuple[str, ...] = ()
    """Modules that are imported before the API server becomes a user who may not read them."""
    copies: str = "by the means of whoever keeps it"
    """How an admin makes a copy of it and brings one back, in half a sentence: for the hint of `appliance store backup`."""
