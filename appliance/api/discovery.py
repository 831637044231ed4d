"""What a discovery plugin implements: where peers can be reached."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple, Protocol

from appliance.api.services import Services
from appliance.api.values import Endpoint


class Candidate(NamedTuple):
    """A place to try for `peer`. Lower `priority` is tried first; `ttl` seconds later it is forgotten unless renewed."""

    peer: str
    endpoint: Endpoint
    priority: int
    ttl: float


class DiscoveryServices(Services, Protocol):
    """What the core gives a discoverer."""

    def configured(self) -> Sequence[tuple[str, tuple[Endpoint, ...]]]:
        """Peers in profile order with the endpoints the profile gives; hosts may be DNS names."""

    async def resolve(self, host: str, port: int) -> list[str]:
        """Address literals of a DNS name, in the system's order. Raises OSError when there are none."""


class Discoverer(Protocol):
    """An open discoverer."""

    def candidates(self) -> AsyncIterator[Sequence[Candidate]]:
        """Batches of candidates, for as long as the daemon runs. May raise; the core restarts it with a growing pause."""


class DiscoveryKind(NamedTuple):
    """A discovery kind as registered by `appliance_discovery()`; see `api.kinds`.

    `name` is a key below `discovery` in a profile, which turns it on; its settings are that key's value.
    """

    name: str
    settings: Callable[[], type[Any]] | None
    open: Callable[[Any, DiscoveryServices], Discoverer]
