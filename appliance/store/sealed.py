"""A store whose values nobody reads who has the disk only. Wraps any store that can rewrite its values.

Values are sealed. Spaces, keys, names of logs, versions, ids and moments of expiry are not: the store orders and finds by them. A
value opens only at the key, or in the log, that it was written to. Who can write the disk can still bring back an older value of
the same key, or an older state of the whole store.

Two deeds change keys. *Rewrap*: another key-encryption key wraps the same data keys; nothing else is written. *Rotate*: there is
a new data key, and all values are sealed again, in pieces, while the store is used. The old data key stays until nothing is
sealed under it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol, Self

from appliance.api.stores import (
    MOST_VALUE,
    Append,
    Change,
    ChangeInvalid,
    Check,
    Conflict,
    Drop,
    Entry,
    Kept,
    Put,
    Record,
    RewritableStore,
    StoreBroken,
    Tail,
    judge,
)
from appliance.foundation.logging import get_logger
from appliance.store.cached import CachedStore
from appliance.store.envelope import CIPHERS, Entropy, Place, Unsealable, key_number, seal, unseal
from appliance.store.ring import KEY, SPACE, Ring, Wrapping, WrappingKey, opened, wrapping_of

DEFAULT_CIPHER = "hse"
PIECE = 100
"""Values that are sealed again in one transaction: some milliseconds, in which commits wait."""
Progress = Callable[[str], None]
log = get_logger("store")


class ValueUnopened(StoreBroken):
    """A value was changed behind the store's back, or came from elsewhere; others may be well. Programs see StoreBroken."""

    def __init__(self, place: Place) -> None:
        where = f"an entry of {place.name}" if place.kind == b"L" else f"{place.name}/{place.key}"
        super().__init__(
            f"{where} does not open: it was changed, or came from elsewhere",
            hint="look who can write the store's files; appliance store restore FILE, with a backup",
        )
        self.code = StoreBroken.__name__
        self.entry = 0
        """Of an entry of a log: its id."""
        self.before = Tail([], 0, 0)
        """What was asked for together with it and stands before it."""


class KeySource(Protocol):
    """Where the key-encryption key comes from; `keys.Keys` is one. Called in a thread."""

    def new(self) -> WrappingKey:
        """A key for a new store, kept by the source."""

    def discard(self, key: WrappingKey) -> None:
        """Keep that one no more: nothing is sealed under it."""

    def find(self, wrapping: Wrapping) -> WrappingKey:
        """The key that is named. Raises StoreSealed."""


class SealedStore:
    """A `Store`. Made by `open`, and closes the store inside."""

    def __init__(self, store: RewritableStore, keys: KeySource, entropy: Entropy, clock: Callable[[], float]) -> None:
        self._store = store
        self._keys = keys
        self._entropy = entropy
        self._clock = clock
        self._ring: Ring
        self._version = 0
        self._unopened = 0
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    async def open(
        cls,
        store: RewritableStore,
        keys: KeySource,
        *,
        entropy: Entropy,
        clock: Callable[[], float],
        cipher: str = DEFAULT_CIPHER,
    ) -> Self:
        """Open what is in a store, or begin to seal an empty one by the cipher that is named. Raises StoreSealed, StoreBroken."""
        sealed = cls(store, keys, entropy, clock)
        if await store.get(SPACE, KEY) is None:
            key = await asyncio.to_thread(keys.new)
            ring = Ring.new(key, cipher, entropy, clock())
            try:
                await store.commit(Put(SPACE, KEY, ring.document(entropy), expect=0))
            except Conflict:  # another server was quicker, and its ring is the one
                await asyncio.to_thread(keys.discard, key)
        await sealed._look_again()
        return sealed

    async def get(self, space: str, key: str) -> Record | None:
        """See the protocol."""
        record = None if space == SPACE else await self._store.get(space, key)
        if record is not None and isinstance(self._store, CachedStore) and not self._knows_key_of(record):
            record = await self._store.anew(space, key)  # what was remembered may be sealed under a data key that is gone since
        return None if record is None else await self._opened_record(space, record)

    async def scan(self, space: str, *, prefix: str = "", after: str = "", limit: int = 100) -> list[Record]:
        """See the protocol."""
        found = [] if space == SPACE else await self._store.scan(space, prefix=prefix, after=after, limit=limit)
        return [await self._opened_record(space, record) for record in found]

    async def commit(self, *changes: Change, durable: bool = True) -> list[int]:
        """See the protocol."""
        judge(changes, MOST_VALUE)
        if any(not isinstance(change, Append | Drop) and change.space == SPACE for change in changes):
            raise ChangeInvalid(f"the space {SPACE} is the store's own", hint="choose another name")
        while True:
            ring, version = self._ring, self._version
            sealed = [self._sealed(ring, change) for change in changes]
            try:
                # Nothing is sealed under a data key that another server has just replaced.
                return (await self._store.commit(Check(SPACE, KEY, version), *sealed, durable=durable))[1:]
            except Conflict:
                await self._look_again()
                if self._version == version:
                    raise

    async def tail(self, log: str, after: int = 0, limit: int = 100) -> Tail:
        """See the protocol. Raises ValueUnopened, which says of which entry."""
        found = await self._store.tail(log, after, limit)
        place, entries = Place(b"L", log, ""), list[Entry]()
        for entry in found.entries:
            try:
                entries.append(Entry(entry.id, await self._opened(entry.value, place)))
            except ValueUnopened as error:
                error.entry, error.before = entry.id, found._replace(entries=entries)
                raise
        return found._replace(entries=entries)

    def stats(self) -> Mapping[str, int]:
        """Figures of the store inside, and "data_key" (its number), "data_keys" (more than 1: a rotation has not ended),
        "unopened"."""
        own = {"data_key": self._ring.current.number, "data_keys": len(self._ring.keys), "unopened": self._unopened}
        return {**self._store.stats(), **own}

    async def close(self) -> None:
        """End in order. Safe to call twice."""
        await self._store.close()

    @property
    def inside(self) -> RewritableStore:
        """The store whose values these are."""
        return self._store

    @property
    def ring(self) -> Ring:
        """The data keys, and the key that wraps them."""
        return self._ring

    async def rewrap(self, key: WrappingKey) -> None:
        """From now on another key opens the store. What was copied before still opens by the one before."""
        async with self._one_at_a_time:
            await self._change_ring(lambda ring: ring.wrapped(key))
        log.info("the store has another key", kind=key.wrapping.kind, id=key.wrapping.id)

    async def rotate(self, cipher: str | None = None, progress: Progress = lambda _: None) -> int:
        """A new data key, perhaps with another cipher, and no value sealed under an earlier one at the end. Returns how many were
        sealed again.

        If it does not come to its end, the next one does both. Raises StoreBroken if a value does not open: then the earlier data
        keys stay.
        """
        async with self._one_at_a_time:
            await self._change_ring(lambda ring: ring.with_new_key(cipher, self._entropy, self._clock()))
            number = self._ring.current.number
            progress("a new data key")
            done = await self._seal_all_again(self._ring, progress)
            await self._change_ring(lambda ring: ring.from_number(number))
        log.info("all values are sealed under a new data key", number=number, values=done)
        return done

    async def _seal_all_again(self, ring: Ring, progress: Progress) -> int:
        done, cursor = 0, ""

        def again(kept: Kept) -> bytes | None:
            nonlocal done
            sealed = _sealed_again(kept, ring, self._entropy)
            done += sealed is not None
            return sealed

        while (following := await self._store.rewrite(again, cursor, PIECE)) is not None:
            cursor = following
            progress(f"{done} values are sealed again")
        return done

    async def _change_ring(self, change: Callable[[Ring], Ring]) -> None:
        while True:
            await self._look_again()
            ring = change(self._ring)
            try:
                self._version, *_ = await self._store.commit(Put(SPACE, KEY, ring.document(self._entropy), expect=self._version))
            except Conflict:
                continue
            self._ring = ring
            return

    async def _look_again(self) -> None:
        """Another server may have changed the keys."""
        record = await self._store.get(SPACE, KEY)
        if record is None:
            raise StoreBroken("the store has lost its keys", hint="appliance store restore FILE, with a backup")
        if record.version == self._version:
            return
        wrapping = wrapping_of(record.value)
        known = self._version and self._ring.wrapped_by.wrapping == wrapping
        key = self._ring.wrapped_by if known else await asyncio.to_thread(self._keys.find, wrapping)
        self._ring, self._version = opened(record.value, key), record.version

    def _sealed(self, ring: Ring, change: Change) -> Change:
        match change:
            case Put(space, key, value):
                return change._replace(value=_seal(ring, value, Place(b"R", space, key), self._entropy))
            case Append(name, value):
                return change._replace(value=_seal(ring, value, Place(b"L", name, ""), self._entropy))
            case _:
                return change

    def _knows_key_of(self, record: Record) -> bool:
        try:
            return key_number(record.value) in self._ring.keys
        except Unsealable:
            return True  # then there is nothing to be known

    async def _opened_record(self, space: str, record: Record) -> Record:
        return record._replace(value=await self._opened(record.value, Place(b"R", space, record.key)))

    async def _opened(self, sealed: bytes, place: Place) -> bytes:
        with suppress(Unsealable):  # what has no number does not open below
            if key_number(sealed) not in self._ring.keys:
                await self._look_again()
        try:
            return open_value(self._ring, sealed, place)[0]
        except ValueUnopened:
            self._unopened += 1
            raise


def open_value(ring: Ring, sealed: bytes, place: Place) -> tuple[bytes, int]:
    """A value, and the number of its data key. Raises ValueUnopened."""
    try:
        number = key_number(sealed)
        return unseal(sealed, ring.keys[number].key, place), number
    except (Unsealable, KeyError):
        raise ValueUnopened(place) from None


def _sealed_again(kept: Kept, ring: Ring, entropy: Entropy) -> bytes | None:
    """The value under the current data key; None if it is. Raises StoreBroken."""
    place = Place(b"R" if kept.kind == "record" else b"L", kept.name, kept.key)
    if place.kind == b"R" and kept.name == SPACE:
        return None
    value, number = open_value(ring, kept.value, place)
    return None if number >= ring.current.number else _seal(ring, value, place, entropy)


def _seal(ring: Ring, value: bytes, place: Place, entropy: Entropy) -> bytes:
    key = ring.current
    return seal(value, CIPHERS[key.cipher], key.number, key.key, place, entropy)
