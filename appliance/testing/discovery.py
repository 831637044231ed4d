"""What a discoverer gets from the core, with a DNS and a clock that the test owns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from appliance.api.values import Endpoint
from appliance.testing.clock import ManualClock

LAST_SECOND = 1e6
"""A test that slept for so long has seen what it will see."""


class EndOfTime(BaseException):
    """Virtual time is up. No Exception, so that a discoverer does not take it for a failure of its own."""


class FakeDiscoveryServices:
    """`DiscoveryServices` of `appliance.api.discovery`. `names` may be changed while the discoverer runs; sleeping takes no time
    but moves `now`; `reported` collects what the admin would read."""

    def __init__(
        self,
        peers: Mapping[str, Sequence[Endpoint]],
        settings: Mapping[str, Any] | None = None,
        *,
        names: Mapping[str, Sequence[str]] | None = None,
        jitter: float = 0.5,
    ) -> None:
        self.peers = dict(peers)
        self.settings: Mapping[str, Any] = settings or {}
        self.names = {name: list(addresses) for name, addresses in (names or {}).items()}
        self.reported: list[str] = []
        self._clock = ManualClock(0.0)
        self._jitter = jitter

    @property
    def now(self) -> float:
        """Seconds slept so far."""
        return self._clock.now

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

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass. Raises EndOfTime in the end."""
        if self.now > LAST_SECOND:
            raise EndOfTime
        await self._clock.sleep(seconds)

    def jitter(self) -> float:
        """Always the same."""
        return self._jitter

    def report(self, problem: str) -> None:
        """Remember it."""
        self.reported.append(problem)
