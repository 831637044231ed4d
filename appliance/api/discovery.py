"""What a discovery plugin implements: where peers can be reached."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from appliance.api.values import Endpoint


class Candidate(NamedTuple):
    """A place to try for `peer`. Lower `priority` is tried first; `ttl` seconds later it is forgotten unless renewed."""

    peer: str
    endpoint: Endpoint
    priority: int
    ttl: float


class DiscoveryServices(Protocol):
    """What the core gives a discoverer."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the profile says below `discovery.NAME`, as it was written (the kind's model has judged it already)."""

    def configured(self) -> Sequence[tuple[str, tuple[Endpoint, ...]]]:
        """Peers in profile order with the endpoints the profile gives; hosts may be DNS names."""

    async def resolve(self, host: str, port: int) -> list[str]:
        """Address literals of a DNS name, in the system's order. Raises OSError when there are none."""

    async def sleep(self, seconds: float) -> None:
        """Wait on the daemon's clock (virtual in tests)."""

    def jitter(self) -> float:
        """A random number in [0, 1)."""

    def report(self, problem: str) -> None:
        """Tell the admin about trouble (rate-limited, attributed to the plugin)."""


class Discoverer(Protocol):
    """An open discoverer."""

    def candidates(self) -> AsyncIterator[Sequence[Candidate]]:
        """Batches of candidates, for as long as the daemon runs. May raise; the core restarts it with a growing pause."""


@dataclass(frozen=True, slots=True)
class DiscoveryKind:
    """A discovery kind as registered by `appliance_discovery()`; `name` is a key below `discovery` in a profile.

    `settings` returns the pydantic model of that key's value, so that a profile is judged before anything runs (a callable, so
    that registering costs no pydantic import). None: any mapping will do.
    """

    name: str
    open: Callable[[DiscoveryServices], Discoverer]
    settings: Callable[[], type[Any]] | None = None
