"""What a discovery plugin implements: where peers can be reached."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple, Protocol

from appliance.api.services import Services
from appliance.api.values import Endpoint


class Candidate(NamedTuple):
    """A place to try for a peer."""

    peer: str
    """Its name in the profile."""
    endpoint: Endpoint
    priority: int
    """Lower is tried first."""
    ttl: float
    """Seconds after which it is forgotten unless it is given again; it serves on while there is nothing better. 0: it is taken
    back at once."""


class DiscoveryServices(Services, Protocol):
    """What the core gives a discoverer."""

    def configured(self) -> Sequence[tuple[str, tuple[Endpoint, ...]]]:
        """Peers in profile order with the endpoints the profile gives now; hosts may be DNS names."""

    async def changed(self, within: float | None = None) -> bool:
        """Wait until `configured` would say something else than it said last, at most `within` seconds (None: as long as it
        takes). Returns whether it would. A discoverer that never called this is started anew when peers change."""

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
