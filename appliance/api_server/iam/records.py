"""Records of users and tokens in the store: read with their version, written only if nobody was faster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

from appliance.api.stores import Change, Conflict, Put, Record, Store, StoreBroken
from appliance.errors import ApplianceError, ExitCode
from appliance.management.iam.documents import document_of, record_of

USERS: Final = "iam.users"
"""By id."""
NAMES: Final = "iam.names"
"""By name: whose it is."""
ACTIVITY: Final = "iam.activity"
"""By user: log-ins that last, and where they came from."""
FAMILIES: Final = "iam.families"
"""Refresh tokens, by family."""
TOKENS: Final = "iam.tokens"
"""API tokens, by accessor."""
TOKENS_OF: Final = "iam.tokens-of"
"""By user and accessor: which tokens somebody has."""
INVITATIONS: Final = "iam.invitations"
"""By number."""
ATTEMPTS: Final = "iam.attempts"
"""By what is counted."""
SUBJECTS: Final = "iam.subjects"
"""By log-in and digest of a subject there: who that is here."""
WAITING: Final = "iam.waiting"
"""By the digest of a secret: log-ins that go on elsewhere."""
STATE: Final = "iam.state"
"""What there is one of: the admins, the signing keys."""

ATTEMPTS_AT_ONCE: Final = 64
"""So often a decision is made anew because somebody else was faster. Each time one of the others got on."""

RecordT = TypeVar("RecordT", bound=tuple[Any, ...])
ResultT = TypeVar("ResultT")


class NoSuchRecord(ApplianceError):
    """There is no such user, token or invitation (any more)."""

    exit_code = ExitCode.INVALID


class Versioned(NamedTuple, Generic[RecordT]):
    """A record as it was read."""

    value: RecordT
    version: int


class Records:
    """Records of the kinds that `management.iam` has, in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, space: str, key: str, kind: type[RecordT]) -> Versioned[RecordT] | None:
        """None: nothing is there."""
        record = await self._store.get(space, key)
        return None if record is None else Versioned(_read(space, record, kind), record.version)

    async def document(self, space: str, key: str) -> tuple[dict[str, Any], int]:
        """What is no record of a kind, and its version; {} and 0 where there is nothing."""
        record = await self._store.get(space, key)
        return ({}, 0) if record is None else (_document(space, record), record.version)

    async def page(
        self, space: str, kind: type[RecordT], *, prefix: str = "", after: str = "", limit: int = 100
    ) -> list[Versioned[RecordT]]:
        """Records ordered by key."""
        found = await self._store.scan(space, prefix=prefix, after=after, limit=limit)
        return [Versioned(_read(space, record, kind), record.version) for record in found]

    async def keys(self, space: str, *, prefix: str = "", after: str = "", limit: int = 100) -> list[str]:
        """Keys in order."""
        return [record.key for record in await self._store.scan(space, prefix=prefix, after=after, limit=limit)]

    async def commit(self, *changes: Change, durable: bool = True) -> None:
        """All of them, or none. Raises Conflict, StoreFull, StoreBroken."""
        await self._store.commit(*changes, durable=durable)


def put(space: str, key: str, record: NamedTuple, expect: int | None, expires: int | None = None) -> Put:
    """The change that keeps a record."""
    return put_document(space, key, document_of(record), expect, expires)


def put_document(space: str, key: str, document: Mapping[str, Any], expect: int | None, expires: int | None = None) -> Put:
    """The change that keeps a document."""
    value = json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    return Put(space, key, value, expect, expires)


async def settled(decide: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Run what reads, decides and commits; once more when somebody else was faster. Raises Conflict when that goes on and on."""
    for _ in range(ATTEMPTS_AT_ONCE - 1):
        try:
            return await decide()
        except Conflict:
            await asyncio.sleep(0)
    return await decide()


def _document(space: str, record: Record) -> dict[str, Any]:
    try:
        document = json.loads(record.value)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise StoreBroken(f"a record of {space} is damaged", hint="restore the store: appliance store restore")
    return document


def _read(space: str, record: Record, kind: type[RecordT]) -> RecordT:
    try:
        return record_of(kind, _document(space, record))
    except TypeError:
        raise StoreBroken(f"a record of {space} is damaged", hint="restore the store: appliance store restore") from None
