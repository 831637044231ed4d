"""Accounts over a store in memory, with a clock that stands until a test moves it, and randomness that repeats itself."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any

from appliance.api.stores import Append, Change, StoreBroken
from appliance.api_server.iam.accounts import Accounts
from appliance.api_server.iam.callers import Known
from appliance.api_server.iam.hashing import HashingThreads
from appliance.api_server.iam.people import NewUser
from appliance.api_server.iam.registration import Registering
from appliance.api_server.iam.sessions import Grant, LogIn
from appliance.api_server.iam.tools import Note
from appliance.management.iam.changes import Actor
from appliance.management.iam.passwords import Cost
from appliance.management.iam.tokens import Realm
from appliance.management.iam.users import User
from appliance.store.memory import MemoryStore

CHEAP = Cost(64, 1, 1)
"""A hash that takes no time: what it is worth is the business of the tests of `passwords`."""
PASSWORD = "correct horse battery"
REALM = Realm("https://node.example/", "appliance")
HOST = Actor("", ("admin",))


class Clock:
    """Unix seconds."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Randomness:
    """Never the same twice within a run, and the same in each run."""

    def __init__(self) -> None:
        self.drawn = 0

    def __call__(self, count: int) -> bytes:
        self.drawn += 1
        return b"".join(sha256(b"%d %d" % (self.drawn, at)).digest() for at in range(count // 32 + 1))[:count]


class Moody(MemoryStore):
    """A store that fails once `after` more commits have worked. Whoever asks waits a turn, as with any real store, so what is
    asked at once gets between each other's reads and writes."""

    after: int | None = None
    reads = 0

    async def get(self, space: str, key: str) -> Any:
        self.reads += 1
        await asyncio.sleep(0)
        return await super().get(space, key)

    async def commit(self, *changes: Change, durable: bool = True) -> list[int]:
        await asyncio.sleep(0)
        if self.after is not None:
            if self.after == 0:
                raise StoreBroken("the disk is gone", hint="")
            self.after -= 1
        return await super().commit(*changes, durable=durable)


class Rig:
    """Accounts, and what a test moves."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.randomness = Randomness()
        self.notes: list[Note] = []
        self.store = Moody(clock=self.clock)
        self.hasher = HashingThreads(CHEAP)
        self.options = options
        self.accounts = self.another()

    def another(self) -> Accounts:
        """An API server more, with the same store."""
        return Accounts(
            self.store,
            self.clock,
            self.randomness,
            self.hasher,
            realm=REALM,
            note=self.notes.append,
            keep=kept_note,
            **self.options,
        )

    @property
    def told(self) -> list[str]:
        """What the audit log was told of, in order."""
        return [note.what for note in self.notes]

    async def kept(self) -> list[str]:
        """What was kept of that in one commit with what it is about."""
        return [entry.value.decode() for entry in (await self.store.tail("kept notes", limit=1000)).entries]

    async def user(self, name: str = "alice", *roles: str, password: str = PASSWORD) -> User:
        return await self.accounts.people.create(HOST, NewUser(name, password, roles))

    async def log_in(self, name: str = "alice", password: str = PASSWORD, **more: str) -> Grant:
        return await self.accounts.sessions.log_in(LogIn(name, password, **more))

    async def known(self, name: str = "alice", **more: str) -> Known:
        """Log in, and ask who that is."""
        return await self.accounts.callers.authenticate((await self.log_in(name, **more)).access_token)

    async def first_user(self, name: str = "chief") -> User:
        code = await self.accounts.registration.first_code()
        assert code is not None
        return await self.accounts.registration.register(Registering(code, name, PASSWORD))


def kept_note(note: Note) -> Change:
    return Append("kept notes", note.what.encode())


def actor(known: Known) -> Actor:
    return Actor(known.user, known.roles, known.scopes)
