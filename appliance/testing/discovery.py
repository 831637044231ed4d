"""What a discoverer gets from the core, with a DNS and a clock that the test owns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from appliance.api.values import Endpoint
from appliance.testing.services import FakeServices


class FakeDiscoveryServices(FakeServices):
    """`DiscoveryServices` of `appliance.api.discovery`. `names` may be changed while the discoverer runs."""

    def __init__(
        self,
        peers: Mapping[str, Sequence[Endpoint]],
        *,
        names: Mapping[str, Sequence[str]] | None = None,
        section: Any = None,
        jitter: float = 0.5,
    ) -> None:
        super().__init__(section=section, jitter=jitter)
        self.peers = dict(peers)
        self.names = {name: list(addresses) for name, addresses in (names or {}).items()}

    def configured(self) -> Sequence[tuple[str, tuple[Endpoint, ...]]]:
        """The peers as given."""
        return [(name, tuple(endpoints)) for name, endpoints in self.peers.items()]

    async def resolve(self, host: str, port: int) -> list[str]:
        """From `names`; an address literal is its own. Raises OSError for any other name."""
        del port
        if host in self.names:
            return list(self.names[host])
        if ":" in host or host.replace(".", "").isdecimal():
            return [host]
        raise OSError(-2, "Name or service not known")
