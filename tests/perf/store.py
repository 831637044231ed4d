"""Commits a second of the store on this disk, beside what the disk does by itself in the same round.

    python -m tests.perf.store [--seconds 1] [--rounds 5] [--folder PATH]

A commit puts one record of 400 bytes. "flush" is a loop that writes 8 KiB within a file and calls fdatasync: what one durable
commit after the other cannot beat. With PostgreSQL installed, "postgresql" is a server of its own in the temporary folder, sealed
as well, over its Unix socket.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from statistics import median

from appliance.api.stores import Put, Store
from appliance.foundation.clock import wall
from appliance.store.opening import open_store, sealed
from appliance.store.sqlite import SqliteStore
from appliance_store_postgresql.connecting import Connecting
from appliance_store_postgresql.settings import PostgresqlSettings
from appliance_store_postgresql.store import PostgresqlStore
from tests.rigs.postgresql import INSTALLED, Cluster, cluster

VALUE = os.urandom(400)
WRITERS = (1, 16, 64)
WITHIN, PIECE = 1 << 22, 1 << 13
Figures = dict[str, float]


def flushes(folder: Path, seconds: float) -> float:
    """Flushes a second."""
    descriptor = os.open(folder / "flushed", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, bytes(WITHIN))
    os.fsync(descriptor)
    done, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        os.pwrite(descriptor, bytes(PIECE), done * PIECE % WITHIN)
        os.fdatasync(descriptor)
        done += 1
    os.close(descriptor)
    return done / seconds


async def commits(store: Store, writers: int, seconds: float, *, durable: bool) -> float:
    """Commits a second of so many who commit one after the other."""
    done, end = 0, time.monotonic() + seconds

    async def write(writer: int) -> None:
        nonlocal done
        while time.monotonic() < end:
            await store.commit(Put("status", f"{writer} {done % 100}", VALUE), durable=durable)
            done += 1

    await asyncio.gather(*map(write, range(writers)))
    return done / seconds


async def reads(store: Store, seconds: float) -> float:
    """Reads a second, one after the other."""
    done, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        await store.get("status", "0 0")
        done += 1
    return done / seconds


async def in_database(database: Cluster, folder: Path) -> Store:
    """The store there, with the key in that folder."""

    async def password() -> None:
        return None

    settings = PostgresqlSettings(**database.settings())
    inside = await PostgresqlStore.open(Connecting(settings, password, "bench"), settings, clock=wall, name="bench")
    return await sealed(inside, folder / "keys")


async def one_round(folder: Path, seconds: float, database: Cluster | None) -> Figures:
    """All figures once."""
    figures: Figures = {"flush": flushes(folder, seconds)}
    openers: dict[str, Callable[[], Awaitable[Store]]] = {
        "plain": lambda: SqliteStore.open(folder / "plain", clock=wall),
        "sealed": lambda: open_store(folder / "sealed"),
    }
    if database is not None:
        openers["postgresql"] = lambda: in_database(database, folder)
    for name, opener in openers.items():
        store = await opener()
        for durable in (True, False):
            for writers in WRITERS:
                figures[f"{name} {'durable' if durable else 'not durable'} {writers}"] = await commits(
                    store, writers, seconds, durable=durable
                )
        figures[f"{name} reads"] = await reads(store, seconds)
        await store.close()
    return figures


def main() -> None:
    """Print medians, and their ratio to the disk's flushes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default=".")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=given.folder) as folder,
        cluster(fsync="on") if INSTALLED else nullcontext() as database,
    ):
        rounds = [asyncio.run(one_round(Path(folder), given.seconds, database)) for _ in range(given.rounds)]
    for name in rounds[0]:
        ratio = median(each[name] / each["flush"] for each in rounds)
        print(f"{name:28} {median(each[name] for each in rounds):9.0f}/s {ratio:8.2f} × flush")


if __name__ == "__main__":
    main()
