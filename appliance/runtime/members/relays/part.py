"""The relays of a node, put together: what of it serves others, what of it is served, and the transport `relay`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.api.events import PathChanged, SessionClosed, SessionOpened
from appliance.api.peer_protocol import PeerProtocolKind, PeerProtocolServices
from appliance.api.transport import Adopted, TransportKind
from appliance.api.values import RELAY
from appliance.errors import PluginFault
from appliance.foundation import clock
from appliance.members.relays.desk import DeskLimits
from appliance.members.relays.messages import FAMILY, LIMITS
from appliance.members.relays.nesting import carriers
from appliance.runtime.links.transports import Core
from appliance.runtime.members.relays.around import Around
from appliance.runtime.members.relays.company import Company
from appliance.runtime.members.relays.family import RelayFamily
from appliance.runtime.members.relays.serving import Serving
from appliance.runtime.members.relays.using import Using
from appliance.runtime.settings import RELAY_DRIVER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.api.profile import Relay
    from appliance.api.values import Endpoint
    from appliance.runtime.links.transports import Transports
    from appliance.runtime.members.mesh import Mesh
    from appliance.runtime.node.driver import NodeDriver


class Relays:
    """The relays of a node."""

    def __init__(
        self, around: Around, driver: NodeDriver, transports: Transports, mesh: Callable[[], Mesh | None] = lambda: None
    ) -> None:
        self._around = around
        self._mesh = mesh
        self._driver = driver
        self._transports = transports
        self._open: RelayFamily | None = None
        self._transport = TransportKind(RELAY, None, _no_plugin, datagram=True, driver=RELAY_DRIVER)
        transports.core[RELAY] = Core(self._transport, self.dial)
        driver.circles = self.circles
        driver.subscribers.append(self._on_session)
        self.kind = PeerProtocolKind(FAMILY, _model, self.open, LIMITS)

    def open(self, relay: Relay, services: PeerProtocolServices) -> RelayFamily:
        """Begin to speak with peers, as the profile's section says."""
        self.close()
        company, driver = Company(relay, self._around.table, self._mesh), self._driver
        using = Using(
            self._around,
            services,
            company,
            wake=driver.on_want,
            again=driver.on_reachable,
            take=self._take,
            crowded=driver.full,
        )
        self._open = RelayFamily(using, Serving(self._around, services, _limits(relay), company))
        return self._open

    @property
    def using(self) -> Using | None:
        """The part that uses relays; None: this node does not."""
        return None if self._open is None else self._open.using

    @property
    def serving(self) -> Serving | None:
        """The part that is a relay, if this node is one; None: it has nothing to do with relays."""
        return None if self._open is None else self._open.serving

    @property
    def reserved(self) -> tuple[str, ...]:
        """Fingerprints of the relays over which this node can be called now."""
        return () if self._open is None else self._open.using.reserved

    def figures(self) -> Mapping[str, int]:
        """What happened with relays, by name."""
        return {} if self._open is None else self._open.stats()

    def report(self) -> dict[str, Any] | None:
        """For the status: circuits, and the relays that this node knows. None: it has nothing to do with relays."""
        return None if self._open is None else self._open.report(clock.monotonic())

    def close(self) -> None:
        """No circuits any more."""
        if self._open is not None:
            self._open.close()
            self._open = None

    async def dial(self, peer: str, endpoint: Endpoint) -> Adopted:
        """A link to a peer over a relay. Raises OSError."""
        if self._open is None:
            raise OSError("this node does not use relays")
        return await self._open.using.dial(peer, endpoint)

    def circles(self, peer: str, endpoint: Endpoint) -> bool:
        """Would what goes to `peer` over this endpoint's relay go through `peer` itself?"""
        relay = self._around.relay_of(endpoint)
        return relay is not None and peer in (relay, *carriers(relay, self._around.via))

    def _on_session(self, event: SessionOpened | SessionClosed | PathChanged) -> None:
        if self._open is not None and isinstance(event, SessionOpened):
            self._open.using.renewed(event.peer)

    def _take(self, adopted: Adopted) -> None:
        self._transports.adopt(self._transport, adopted)


def _limits(relay: Relay) -> DeskLimits:
    return DeskLimits(
        reservations=relay.reservations,
        circuits=relay.circuits,
        circuits_of_a_peer=relay.circuits_of_a_peer,
        seconds=relay.seconds or 0.0,
        bytes=relay.bytes or 0,
        rate=(relay.rate or 0) // 8,
    )


def _model() -> type[Any]:
    from appliance.api.profile import Relay

    return Relay


def _no_plugin(_settings: Any, _services: Any) -> Any:
    raise PluginFault("core", "the transport relay is the core's and is not opened")
