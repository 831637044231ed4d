"""The store of the API server: sealed, in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from appliance.api.stores import LIMIT_BYTES, RewritableStore
from appliance.foundation.clock import monotonic, wall
from appliance.foundation.entropy import random_bytes
from appliance.store.keys import Keys, Passphrase
from appliance.store.sealed import DEFAULT_CIPHER, SealedStore
from appliance.store.sqlite import SqliteStore


async def open_store(
    folder: Path,
    *,
    clock: Callable[[], float] = wall,
    elapsed: Callable[[], float] = monotonic,
    limit: int = LIMIT_BYTES,
    credentials: Mapping[str, bytes] | None = None,
    passphrase: Passphrase | None = None,
    cipher: str = DEFAULT_CIPHER,
) -> SealedStore:
    """The sealed store of a folder. The folder, the store and a key file are made at first use.

    `credentials` are what systemd gave (`keys.read_credentials`), `passphrase` is called if the store needs one that they do not
    have, and `cipher` is for a new store. Raises StoreInUse, StoreBroken, StoreFull, StoreSealed.
    """
    inside = await SqliteStore.open(folder, clock=clock, elapsed=elapsed, limit=limit)
    try:
        keys = Keys(folder, entropy=random_bytes, credentials=credentials, passphrase=passphrase)
        return await SealedStore.open(inside, keys, entropy=random_bytes, clock=clock, cipher=cipher)
    except BaseException:
        await inside.close()
        raise


async def sealed(
    inside: RewritableStore,
    folder: Path,
    *,
    clock: Callable[[], float] = wall,
    credentials: Mapping[str, bytes] | None = None,
    passphrase: Passphrase | None = None,
    cipher: str = DEFAULT_CIPHER,
) -> SealedStore:
    """A store that other hosts may share, sealed; its key file is in that folder, which is made if it is missing. As `open_store`
    otherwise."""
    folder.mkdir(mode=0o700, exist_ok=True)
    keys = Keys(folder, entropy=random_bytes, credentials=credentials, passphrase=passphrase, shared=True)
    return await SealedStore.open(inside, keys, entropy=random_bytes, clock=clock, cipher=cipher)
