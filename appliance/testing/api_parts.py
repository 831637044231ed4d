"""What the core gives to parts of the API server, for tests."""

from __future__ import annotations

from collections.abc import Mapping

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
