"""What PostgreSQL's errors mean to whoever uses a store. Nothing here tells what was sent to the database."""

from __future__ import annotations

import ssl
from typing import Final

import asyncpg

from appliance.api.stores import StoreAway, StoreBroken, StoreFull

Told = StoreAway | StoreBroken | StoreFull
AWAY: Final = "it is tried again by itself; look at the database's log, and at the network between"
_DENIED: Final = "look at user and password below management.store.postgresql, and at the database's pg_hba.conf"
_HINTS: Final = {
    "28000": _DENIED,
    "28P01": _DENIED,
    "3D000": "an admin of the database makes it: CREATE DATABASE … OWNER …",
    "3F000": "an admin of the database makes it, or lets the role make it: GRANT CREATE ON DATABASE … TO …",
    "42501": "an admin of the database gives the role what is missing: GRANT CREATE ON DATABASE … TO …",
    "42883": "another API server has brought the store to a newer form: install that version here too",
    "42P01": "another API server has brought the store to a newer form: install that version here too",
    "25006": "it is a standby, or read-only: name the server that takes changes",
}


def is_lost(error: BaseException) -> bool:
    """Is the connection gone, or of no use any more? Then nobody knows whether what was sent last has happened."""
    return isinstance(error, OSError) or _state(error)[:2] == "08" or _state(error)[:3] == "57P"


def as_told(error: BaseException, where: str) -> Told:
    """StoreFull, StoreAway or StoreBroken, with what to do. `where`: which database."""
    state = _state(error)
    if state == "53100":
        return StoreFull(f"the disk of {where} is full", hint="make room on the disk of the database")
    if isinstance(error, ssl.SSLError) or "SSL upgrade" in str(error):
        hint = "look at tls and ca below management.store.postgresql, and at the certificate of the database"
        return StoreBroken(f"the connection to {where} is not protected as it has to be: {_said(error)}", hint=hint)
    if isinstance(error, TimeoutError) or state == "57014":
        return StoreAway(f"{where} did not answer in time", hint=AWAY)
    if is_lost(error) or state[:2] in {"53", "40", "55"}:
        return StoreAway(f"{where} cannot be reached: {_said(error)}", hint=AWAY)
    return StoreBroken(f"{where} refuses: {_said(error)}", hint=_HINTS.get(state, "look at the database's log"))


def in_doubt(where: str) -> StoreAway:
    """The error of a change of which nobody knows whether it was made."""
    return StoreAway(f"{where} broke off before it answered: the change was made, or not", hint=AWAY)


def _state(error: BaseException) -> str:
    return str(getattr(error, "sqlstate", None) or "")


def _said(error: BaseException) -> str:
    if isinstance(error, asyncpg.PostgresError):
        return str(error.args[0]) if error.args else type(error).__name__
    return str(error) or type(error).__name__
