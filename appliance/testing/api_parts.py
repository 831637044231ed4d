"""What the core gives to parts of the API server, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import shake_256

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


class FakeServerServices(FakeApiServices):
    """`ServerServices` of `appliance.api.servers`. What is random is the same in each run."""

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        super().__init__(secrets)
        self._drawn = 0

    def random(self, count: int) -> bytes:
        """Other bytes each time."""
        self._drawn += 1
        return shake_256(str(self._drawn).encode()).digest(count)

    def is_own_page(self, host: str, origin: str | None, at: str, *, secure: bool) -> bool:
        """Of programs, and of pages of that host."""
        del at
        return origin in {None, f"{'https' if secure else 'http'}://{host}"}
