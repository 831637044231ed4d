"""What the core gives to parts of the API server, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from hashlib import shake_256
from typing import Final

from appliance.errors import HostError
from appliance.testing.services import FakeServices

WALL = 1_800_000_000.0
"""Unix seconds at which each begins."""


class FakeApiServices(FakeServices):
    """`ApiServices` of `appliance.api.api_parts`. `secrets` are the texts of files, by their references."""

    node = "node"
    identity = "llp1:" + "a" * 52

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.secrets = secrets or {}

    def wall(self) -> float:
        """A moment, and what was slept since."""
        return WALL + self.now

    async def secret(self, reference: str) -> bytes:
        """The text of that file. Raises HostError."""
        if reference not in self.secrets:
            raise HostError(f"{reference}: no such file")
        return self.secrets[reference].encode()


_MOST_LETTER: Final = 12 << 10
"""Bytes of what a server sends to another member."""


class FakeNetwork:
    """What several of them have in common."""

    def __init__(self) -> None:
        self.having: dict[str, list[str]] = {}
        """Members that have something, by its key."""
        self.letters: dict[str, asyncio.Queue[tuple[str, bytes]]] = {}
        """What waits for each."""


class FakeServerServices(FakeApiServices):
    """`ServerServices` of `appliance.api.servers`. What is random is the same in each run."""

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        super().__init__(secrets)
        self._drawn = 0
        self._network: FakeNetwork | None = None

    def join(self, network: FakeNetwork, identity: str) -> None:
        """Be a member of that network from now on."""
        self.identity, self._network = identity, network
        network.letters[identity] = asyncio.Queue()

    async def provide(self, key: str, seconds: float) -> None:
        """In the network. Raises HostError where there is none."""
        having = self._found().having.setdefault(key, [])
        if seconds and self.identity not in having:
            having.append(self.identity)
        if not seconds and self.identity in having:
            having.remove(self.identity)
        await asyncio.sleep(0)

    async def providers(self, key: str) -> Sequence[str]:
        """Others in the network."""
        await asyncio.sleep(0)
        return [member for member in self._found().having.get(key, ()) if member != self.identity]

    async def send(self, member: str, content: bytes) -> None:
        """Raises HostError if nobody is there, or it is too long."""
        await asyncio.sleep(0)
        if len(content) > _MOST_LETTER:
            raise HostError("a letter has 12 KiB at most")
        waiting = self._found().letters.get(member)
        if waiting is None:
            raise HostError(f"{member} does not answer")
        waiting.put_nowait((self.identity, content))

    async def letters(self) -> AsyncGenerator[tuple[str, bytes], None]:
        """One after the other."""
        waiting = self._found().letters[self.identity]
        while True:
            yield await waiting.get()

    def _found(self) -> FakeNetwork:
        if self._network is None:
            raise HostError("this node is in no network of members")
        return self._network

    def random(self, count: int) -> bytes:
        """Other bytes each time."""
        self._drawn += 1
        return shake_256(str(self._drawn).encode()).digest(count)

    def is_own_page(self, host: str, origin: str | None, at: str, *, secure: bool) -> bool:
        """Of programs, and of pages of that host."""
        del at
        return origin in {None, f"{'https' if secure else 'http'}://{host}"}
