"""What a discoverer gets from the core, with a DNS and a clock that the test owns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from appliance.api.values import Endpoint
from appliance.testing.services import EndOfTime, FakeServices


class FakeDiscoveryServices(FakeServices):
    """`DiscoveryServices` of `appliance.api.discovery`. `peers` and `names` may be changed while the discoverer runs."""

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
        self._told = self.peers
        self.identity = "llp1:" + "a" * 52
        self.interface = "llp0"
        self.known: dict[str, str] = {}
        """What `identities` says."""
        self.listens: tuple[Endpoint, ...] = ()
        """What `listening` says."""
        self.names = {name: list(addresses) for name, addresses in (names or {}).items()}

    def identities(self) -> Mapping[str, str]:
        """From `known`."""
        return dict(self.known)

    def listening(self) -> Sequence[Endpoint]:
        """From `listens`."""
        return self.listens

    def configured(self) -> Sequence[tuple[str, tuple[Endpoint, ...]]]:
        """The peers as they are now."""
        self._told = dict(self.peers)
        return [(name, tuple(endpoints)) for name, endpoints in self.peers.items()]

    async def changed(self, within: float | None = None) -> bool:
        """Have `peers` changed since they were asked for? If not, so many seconds go by. Raises EndOfTime when nothing would ever
        happen."""
        if self.peers != self._told:
            return True
        if within is None:
            raise EndOfTime
        await self.sleep(within)
        return self.peers != self._told

    async def resolve(self, host: str, port: int) -> list[str]:
        """From `names`; an address literal is its own. Raises OSError for any other name."""
        del port
        if host in self.names:
            return list(self.names[host])
        if ":" in host or host.replace(".", "").isdecimal():
            return [host]
        raise OSError(-2, "Name or service not known")
