"""Says in the network where this node can be called: a record for Kademlia, who provides it, and the same in the node's topic."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from appliance.api.values import Endpoint
from appliance_discovery_libp2p import place, places
from appliance_discovery_libp2p.kad.messages import write_record
from appliance_discovery_libp2p.seen import Seen

if TYPE_CHECKING:
    from appliance.api.discovery import DiscoveryServices
    from appliance_discovery_libp2p.net.host import Host
    from appliance_discovery_libp2p.net.kademlia import Kademlia
    from appliance_discovery_libp2p.net.pubsub import PubSub
    from appliance_discovery_libp2p.settings import Libp2pSettings


class Saying:
    """`seen` knows at which addresses others see this node; `report` is told what is wrong, "" for nothing."""

    def __init__(
        self,
        services: DiscoveryServices,
        settings: Libp2pSettings,
        host: Host,
        kad: Kademlia,
        pubsub: PubSub,
        wall: Callable[[], float],
        seen: Seen,
        report: Callable[[str], None],
    ) -> None:
        self.said: tuple[Endpoint, ...] = ()
        """What was said last."""
        self._services, self._settings, self._report = services, settings, report
        self._host, self._kad, self._pubsub, self._wall, self._seen = host, kad, pubsub, wall, seen

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where this node can be called now, best first; empty where it is not to be found."""
        if not self._settings.announce:
            return ()
        if self._settings.endpoints:
            return tuple(map(Endpoint.parse, self._settings.endpoints))
        return places.endpoints(self._services.listening(), self._seen.hosts())

    async def say(self) -> bool:
        """Say it, where there is anything to say; also that it is nowhere any more. Returns whether anybody keeps it."""
        before, self.said = self.said, self.endpoints
        if not self.said and not before:
            return True
        identity = self._services.identity
        salt = ChaCha20Poly1305.generate_key()  # 32 random bytes
        record = place.made(self._host.own, identity, self.said, self._wall(), salt)
        self._pubsub.publish(place.topic(identity), write_record(record))
        kept = await self._kad.put_value(record)
        told = await self._kad.provide(place.provided(identity))
        self._report("" if kept or told else "nobody in the libp2p network keeps where this node is")
        return bool(kept or told)
