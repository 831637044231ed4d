"""What an admin does to a store that a plugin keeps elsewhere, such as a database: API servers may use it meanwhile.

Copies of it are the business of whoever keeps it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from appliance.api.stores import Kept, RewritableStore, StoreBroken
from appliance.foundation.clock import wall
from appliance.foundation.entropy import random_bytes
from appliance.store.envelope import Place
from appliance.store.keys import Keys
from appliance.store.maintenance import MOST_TOLD, ChooseKey, StoreMissing, shown
from appliance.store.ring import KEY, SPACE, opened, wrapping_of
from appliance.store.sealed import Progress, SealedStore, open_value

PIECE: Final = 500
"""Values that are looked at in one transaction, in which commits wait."""


async def figures(inside: RewritableStore) -> dict[str, Any]:
    """How large it is and what is in it, without opening a value. Raises StoreMissing, StoreBroken."""
    document = await _ring_document(inside)
    records, logs = Counter[str](), Counter[str]()

    def count(kept: Kept) -> None:
        (records if kept.kind == "record" else logs)[kept.name] += 1

    await _each(inside, count)
    del records[SPACE]
    return {
        "bytes": inside.stats()["bytes"],
        "records": dict(records),
        "logs": len(logs),
        "entries": logs.total(),
        "key": shown(wrapping_of(document)),
    }


async def check(inside: RewritableStore, keys: Keys, progress: Progress) -> dict[str, Any]:
    """Open every value. Raises StoreMissing, StoreSealed, StoreBroken."""
    document = await _ring_document(inside)
    ring = opened(document, keys.find(wrapping_of(document)))
    progress("its key is here")
    values, wrong, earlier = 0, list[str](), 0

    def look(kept: Kept) -> None:
        nonlocal values, earlier
        if (kept.kind, kept.name) == ("record", SPACE):
            return
        values += 1
        try:
            place = Place(b"R" if kept.kind == "record" else b"L", kept.name, kept.key)
            _, number = open_value(ring, kept.value, place)
            earlier += number < ring.current.number
        except StoreBroken as error:
            wrong.append(error.message)

    await _each(inside, look)
    return {
        "values": values,
        "unopened": len(wrong),
        "problems": wrong[:MOST_TOLD],
        "data_key": ring.current.number,
        "cipher": ring.current.cipher,
        "made_at": ring.current.made,
        "under_earlier_keys": earlier,
        "rotation_ended": len(ring.keys) == 1,
    }


async def rewrap(inside: RewritableStore, keys: Keys, choose: ChooseKey, progress: Progress) -> dict[str, Any]:
    """Let another key open the store. Returns which it was and which it is. Raises what opening and `choose` raise."""
    store = await _sealed(inside, keys)
    before = store.ring.wrapped_by.wrapping
    key = choose(keys)
    progress("the new key is there")
    await store.rewrap(key)
    progress("the new key opens the store")
    return {"before": shown(before), "now": shown(key.wrapping)}


async def rotate(inside: RewritableStore, keys: Keys, cipher: str | None, progress: Progress) -> dict[str, Any]:
    """Seal all values under a new data key. Returns its number, its cipher, and how many values there were. Raises what opening
    raises."""
    store = await _sealed(inside, keys)
    done = await store.rotate(cipher, progress)
    progress("the earlier data keys are gone")
    return {"data_key": store.ring.current.number, "cipher": store.ring.current.cipher, "values": done}


async def _sealed(inside: RewritableStore, keys: Keys) -> SealedStore:
    await _ring_document(inside)
    return await SealedStore.open(inside, keys, entropy=random_bytes, clock=wall)


async def _ring_document(inside: RewritableStore) -> bytes:
    record = await inside.get(SPACE, KEY)
    if record is None:
        raise StoreMissing("nothing is in that store yet", hint="the API server makes it at its first start")
    return record.value


async def _each(inside: RewritableStore, look: Callable[[Kept], None]) -> None:
    def looked_at(kept: Kept) -> None:
        look(kept)  # returns nothing: it stays as it is

    cursor: str | None = ""
    while cursor is not None:
        cursor = await inside.rewrite(looked_at, cursor, PIECE)
