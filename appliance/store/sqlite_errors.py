"""What SQLite's errors mean to whoever uses a store."""

from __future__ import annotations

import sqlite3
from typing import Final

from appliance.api.stores import StoreBroken, StoreDamaged, StoreFull, StoreInUse
from appliance.errors import ApplianceError

DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
FULL: Final = frozenset({"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"})
"""The second: the index of the write-ahead log could not grow."""
BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
REFUSED: Final = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH})


def is_damage(error: sqlite3.Error) -> bool:
    """Is the file itself wrong?"""
    return _primary(error) in DAMAGED


def as_told(error: sqlite3.Error, where: object) -> ApplianceError:
    """StoreFull, StoreInUse or StoreBroken, with what to do. `where` is the file."""
    if _name(error) in FULL:
        return StoreFull(f"{where} is full", hint="make room on the disk, remove something, or raise the store's limit")
    if is_damage(error):
        return damaged(where, str(error))
    if _primary(error) in BUSY:
        return StoreInUse(
            f"another program writes to {where}", hint="end it (fuser FILE): only the API server and commands write there"
        )
    if _primary(error) in REFUSED:
        return not_writable(where, str(error))
    return StoreBroken(f"{where} cannot be used ({_name(error)}: {error})", hint="look at the disk (dmesg), then start again")


def damaged(where: object, why: str) -> StoreDamaged:
    """The error of a file that is wrong."""
    hint = "start again: the last good copy comes back; or appliance store restore FILE"
    return StoreDamaged(f"{where} is damaged: {why}", hint=hint)


def not_writable(where: object, why: str) -> StoreBroken:
    """The error of a file that may not be used."""
    hint = "look at its owner and mode (ls -l), and whether the disk is mounted read-only"
    return StoreBroken(f"{where} cannot be written: {why}", hint=hint)


def _primary(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _name(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", "SQLITE_ERROR"))
