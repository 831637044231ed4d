"""What a discovery plugin implements: where peers can be reached."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from appliance.api.services import Services
from appliance.api.values import Endpoint, Network


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

    @property
    def identity(self) -> str:
        """This node's public identity, "llp1:…"."""

    @property
    def interface(self) -> str:
        """The overlay's interface: what comes over it has come through the overlay."""

    def identities(self) -> Mapping[str, str]:
        """The public identity of each peer, by its name."""

    def listening(self) -> Sequence[Endpoint]:
        """Where this node accepts peers, with the ports that it got; 0.0.0.0 and :: are all addresses."""

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


class BroughtPeer(NamedTuple):
    """A peer that the profile does not name. It is taken only where the profile lets this kind bring peers (`peers_from`), with
    prefixes inside of those that stand there, and never in place of another peer."""

    name: str
    """As in a profile: up to 63 letters, digits, dots, underscores and dashes. Nobody else may have it."""
    identity: str
    """Its public identity, "llp1:…"; nobody else is accepted under this name."""
    allowed: tuple[Network, ...]
    """Prefixes that it may send from and be sent to, at least one."""
    endpoints: tuple[Endpoint, ...] = ()
    """Where it can be reached, best first; hosts may be DNS names. None: it calls us."""


class PeerSource(Protocol):
    """What a discovery kind's `open` may return instead of a Discoverer, or be as well: it brings peers."""

    def peers(self) -> AsyncIterator[Sequence[BroughtPeer]]:
        """The complete list each time that it changed, for as long as the daemon runs: who is not in it any more goes, and its
        session ends. While it fails and is started again, its peers stay."""


class DiscoveryKind(NamedTuple):
    """A discovery kind as registered by `appliance_discovery()`; see `api.kinds`.

    `name` is a key below `discovery` in a profile, which turns it on; its settings are that key's value.
    """

    name: str
    settings: Callable[[], type[Any]] | None
    open: Callable[[Any, DiscoveryServices], Discoverer | PeerSource]
