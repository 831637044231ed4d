"""Looks for peers on the networks that this host is in, and says that it is here.

    an instance is heard ─ asked for the rest ─ form ─ whose? ─ addresses nearby ─ candidates
    every second           are there other interfaces or peers? every minute: is everybody still there?

What a neighbour announces is a hint where to call a peer, whose handshake proves who it is. So a lie costs an attempt; how many
there may be is bounded, and what is left out is counted by reason.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final

from appliance.api.discovery import Candidate, DiscoveryServices
from appliance.api.values import Endpoint
from appliance_discovery_mdns import announcement, interfaces
from appliance_discovery_mdns.multicast import Heard, Multicast, Trouble
from appliance_discovery_mdns.recognition import OWN, Busy, Recognition

if TYPE_CHECKING:
    from appliance.api.services import Stats
    from appliance_discovery_mdns.interfaces import Interface
    from appliance_discovery_mdns.settings import MdnsSettings

TICK: Final = 1.0
LOOK_TICKS: Final = 3
"""Between two looks at the interfaces: it takes a quarter of a millisecond."""
REFRESH_TICKS: Final = 60
"""Between two times that everybody is asked whether he is still there; by then most of that has to be asked for anew."""
TTL: Final = 180.0
"""Seconds: three rounds."""
MOST_PEERS: Final = 256
"""Instances that are peers', and that are kept."""
MOST_STRANGERS: Final = 256
"""Instances of others: asked for again when the peers change. The oldest goes first."""
MOST_ASKING: Final = 32
"""Instances that are asked for the rest at a time."""
MOST_INSTANCE: Final = 128
"""Characters of an instance's name."""


class Mdns:
    """A `Discoverer` of `appliance.api.discovery`."""

    def __init__(self, services: DiscoveryServices, settings: MdnsSettings) -> None:
        self._services = services
        self._settings = settings
        self._recognition = Recognition()
        self._present: tuple[Interface, ...] = ()
        self._ports: tuple[tuple[str, int], ...] = ()
        self._multicast: Multicast | None = None
        self._found: dict[str, tuple[Candidate, ...]] = {}
        self._strangers: OrderedDict[str, None] = OrderedDict()
        self._asking: set[str] = set()
        self._news: asyncio.Queue[Sequence[Candidate]] = asyncio.Queue()
        self._counted: Counter[str] = Counter()

    async def candidates(self) -> AsyncIterator[Sequence[Candidate]]:
        """What is found, as it is found."""
        self._use_peers()
        self._services.spawn(self._turn(), "mdns")
        self._services.spawn(self._follow_peers(), "mdns peers")
        try:
            while True:
                yield await self._news.get()
        finally:
            if self._multicast is not None:
                await self._multicast.close()

    def stats(self) -> Stats:
        """Interfaces in use, peers that are here, strangers that are remembered, and what was left out, by reason."""
        return {
            "interfaces": len(self._present),
            "announcing": bool(self._ports),
            "peers": len(self._found),
            "strangers": len(self._strangers),
            **self._counted,
        }

    # ---- time and interfaces ----

    async def _turn(self) -> None:
        ticks = 0
        while True:
            self._recognition.refill()
            if ticks % LOOK_TICKS == 0:
                await self._try_to_look()
            if ticks % REFRESH_TICKS == REFRESH_TICKS - 1:
                for instance in list(self._found):
                    self._ask(instance)
            ticks += 1
            await self._services.sleep(TICK)

    async def _try_to_look(self) -> None:
        try:
            await self._look()
        except Trouble as trouble:
            self._counted["trouble"] += 1
            self._services.report(f"multicast does not work: {trouble}")
            self._present = ()  # which is none of those that there are, so it is tried again

    async def _look(self) -> None:
        """Are there other interfaces, or other ports?"""
        present = interfaces.interfaces(self._services.interface, self._settings.interfaces)
        ports = self._listening(present) if self._settings.announce else ()
        if (present, ports) == (self._present, self._ports):
            return
        self._present, self._ports = present, ports
        if not present:
            self._services.report("no interface takes multicast")
            await self._end()
            return
        if self._multicast is None:
            self._multicast = Multicast(present, self._heard)
        else:
            await self._multicast.use(present)
        said = announcement.announced(self._services.identity, self._nonce(), ports) if ports else None
        await self._multicast.announce(said, present)
        self._services.report("")

    async def _end(self) -> None:
        if self._multicast is not None:
            multicast, self._multicast = self._multicast, None
            await multicast.close()
        for instance in list(self._found):
            self._forget(instance)

    def _listening(self, present: Sequence[Interface]) -> tuple[tuple[str, int], ...]:
        """Ports at which peers may come over the interfaces."""
        own = {str(address) for interface in present for address in interface.addresses}
        found = [
            (endpoint.scheme, endpoint.port)
            for endpoint in self._services.listening()
            if endpoint.scheme in announcement.SCHEMES and endpoint.host in {"0.0.0.0", "::", *own}
        ]
        return tuple(dict.fromkeys(found))

    def _nonce(self) -> bytes:
        number = int(self._services.jitter() * 2**32) << 32 | int(self._services.jitter() * 2**32)
        return number.to_bytes(announcement.NONCE_BYTES, "big")

    # ---- who is there ----

    async def _follow_peers(self) -> None:
        while True:
            await self._services.changed(None)
            self._use_peers()
            for instance in [*self._found, *self._strangers]:
                self._ask(instance)

    def _use_peers(self) -> None:
        self._services.configured()  # what comes later is a change
        self._recognition.use(self._services.identity, self._services.identities())

    def _heard(self, instance: str, gone: bool) -> None:
        if gone:
            self._strangers.pop(instance, None)
            self._forget(instance)
        elif len(instance) > MOST_INSTANCE:
            self._counted["malformed"] += 1
        else:
            self._ask(instance)

    def _ask(self, instance: str) -> None:
        if self._multicast is None or instance in self._asking:
            return
        if len(self._asking) >= MOST_ASKING:
            self._counted["too-many"] += 1
            self._note_stranger(instance)
            return
        self._asking.add(instance)
        self._services.spawn(self._learn(self._multicast, instance), "mdns instance")

    async def _learn(self, multicast: Multicast, instance: str) -> None:
        try:
            heard = await multicast.ask(instance)
        finally:
            self._asking.discard(instance)
        if heard is None:
            self._counted["silent"] += 1
            self._forget(instance)
        else:
            self._judge(instance, heard)

    def _judge(self, instance: str, heard: Heard) -> None:
        try:
            said = announcement.read(heard.text)
            peer = self._recognition.whose(said)
        except ValueError:
            self._counted["malformed"] += 1
            self._forget(instance)
            return
        except Busy:
            self._counted["too-many"] += 1
            self._note_stranger(instance)
            return
        if peer is None or (instance not in self._found and len(self._found) >= MOST_PEERS):
            self._counted["too-many"] += peer is not None
            self._forget(instance)
            self._note_stranger(instance)
        elif peer != OWN:
            self._strangers.pop(instance, None)
            self._tell(instance, self._places(peer, said, heard.addresses))

    def _places(self, peer: str, said: announcement.Announcement, addresses: Sequence[str]) -> tuple[Candidate, ...]:
        nearby = [address for address in addresses if interfaces.near(address, self._present)]
        self._counted["elsewhere"] += len(addresses) - len(nearby)
        places = [Endpoint(scheme, address, port) for scheme, port in said.ports for address in nearby]
        return tuple(Candidate(peer, place, priority, TTL) for priority, place in enumerate(places))

    def _note_stranger(self, instance: str) -> None:
        if instance not in self._found:
            self._strangers[instance] = None
            if len(self._strangers) > MOST_STRANGERS:
                self._strangers.popitem(last=False)

    def _forget(self, instance: str) -> None:
        self._tell(instance, ())

    def _tell(self, instance: str, places: tuple[Candidate, ...]) -> None:
        before = self._found.pop(instance, ())
        if places:
            self._found[instance] = places
        kept = {(place.peer, place.endpoint) for found in self._found.values() for place in found}
        gone = [place._replace(ttl=0.0) for place in before if (place.peer, place.endpoint) not in kept]
        if gone or places:
            self._news.put_nowait([*gone, *places])
