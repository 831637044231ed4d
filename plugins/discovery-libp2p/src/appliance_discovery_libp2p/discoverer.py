"""Looks for peers in a libp2p network, and says there where this node can be called.

    join       while nobody is known: call the bootstrap peers
    say        each hour, and when it has changed: a record under a key made from this node's identity
    look       each ten minutes for each peer: who provides its key ─ that one's record, from itself or others

What is found is a hint where to call a peer, whose handshake proves who it is. So a lie costs an attempt; how many there may be
is bounded, and what is left out is counted by reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from appliance.api.discovery import Candidate, DiscoveryServices
from appliance.api.values import Endpoint
from appliance_discovery_libp2p import place, places
from appliance_discovery_libp2p.kad.messages import Message, Peer, Record, Type
from appliance_discovery_libp2p.kad.store import Store
from appliance_discovery_libp2p.net.host import FAILURES, Host
from appliance_discovery_libp2p.net.kademlia import Kademlia
from appliance_discovery_libp2p.seen import Seen
from appliance_discovery_libp2p.wire import multiaddr
from appliance_discovery_libp2p.wire.keys import OwnKey, id_text
from appliance_discovery_libp2p.wire.malformed import Malformed
from appliance_discovery_libp2p.wire.multiaddr import Multiaddr

if TYPE_CHECKING:
    from appliance.api.services import Stats
    from appliance_discovery_libp2p.net.connection import Connection
    from appliance_discovery_libp2p.settings import Libp2pSettings
    from appliance_discovery_libp2p.wire.identify import Identity

TICK: Final = 5.0
JOIN_TICKS: Final = 6
"""Between two calls of the bootstrap peers, at first; then twice as long each time, up to MOST_PAUSE."""
SAY_TICKS: Final = 720
LOOK_TICKS: Final = 120
LOOK_SOON_TICKS: Final = 12
"""For a peer of whom nothing was found, at first; then twice as long each time, up to LOOK_TICKS."""
REFRESH_TICKS: Final = 120
MOST_PAUSE: Final = 120
TTL: Final = 3 * LOOK_TICKS * TICK
MOST_LOOKING: Final = 4
"""Peers that are looked for at a time."""
MOST_PROVIDERS: Final = 8
"""Peers of the network that say to be one of ours, and are asked."""
KEY: Final = "key"
KEY_BYTES: Final = 32


class Libp2p:
    """A `Discoverer` of `appliance.api.discovery`. `wall` gives seconds since 1970."""

    def __init__(self, services: DiscoveryServices, settings: Libp2pSettings, wall: Callable[[], float]) -> None:
        self._services, self._settings, self._wall = services, settings, wall
        self._news: asyncio.Queue[Sequence[Candidate]] = asyncio.Queue()
        self._seen = Seen()
        self._host: Host | None = None
        self._kad: Kademlia | None = None
        self._listening: tuple[Multiaddr, ...] = ()
        self._said: tuple[Endpoint, ...] = ()
        self._found: dict[str, tuple[Candidate, ...]] = {}
        self._due: dict[str, tuple[int, int]] = {}
        """Of each peer: the tick at which it is looked for, and the pause after that, should nothing be found."""
        self._looking: set[str] = set()
        self._tick = 0

    async def candidates(self) -> AsyncIterator[Sequence[Candidate]]:
        """What is found, as it is found."""
        host = Host(self._own_key(), self._spawn)
        self._host, self._kad = host, self._kademlia(host)
        host.identified.append(self._identified)
        try:
            await self._listen(host)
            self._spawn(host.run(), "libp2p host")
            self._spawn(self._turn(self._kad), "libp2p")
            while True:
                yield await self._news.get()
        finally:
            await host.close()

    def stats(self) -> Stats:
        """Peers of the network, what is kept for others, our peers that are found, and what went wrong, by reason."""
        if self._host is None or self._kad is None:
            return {"running": False}
        return {
            "peer": id_text(self._host.own.peer),
            "connected": len(self._host.peers),
            "table": len(self._kad.table),
            "records": self._kad.store.values,
            "provided": self._kad.store.provided,
            "found": len(self._found),
            "announcing": len(self._said),
            **{reason: count for reason, count in self._host.counted.most_common(32) if count},
        }

    # ---- setting up ----

    def _spawn(self, work: Coroutine[Any, Any, None] | Awaitable[None], name: str) -> None:
        self._services.spawn(work, name)

    def _own_key(self) -> OwnKey:
        """The key of this node in libp2p networks, which has nothing to do with its identity."""
        try:
            secret = self._services.storage.read(KEY)
            if secret is None or len(secret) != KEY_BYTES:
                secret = Ed25519PrivateKey.generate().private_bytes_raw()
                self._services.storage.write(KEY, secret)
        except OSError as error:
            self._services.report(f"the key for libp2p is not kept, so this node is another one there after a restart: {error}")
            secret = Ed25519PrivateKey.generate().private_bytes_raw()
        return OwnKey(secret)

    def _kademlia(self, host: Host) -> Kademlia:
        store = Store(host.own.peer, place.judge)
        return Kademlia(host, self._settings.network, store, self._wall, serves=bool(self._settings.listen))

    async def _listen(self, host: Host) -> None:
        bound = []
        for text in self._settings.listen:
            wanted = multiaddr.parse(text)
            try:
                bound.append(wanted._replace(port=await host.listen(wanted.host, wanted.port)))
            except OSError as error:
                self._services.report(f"cannot listen at {text}: {error.strerror or error}")
        self._listening = tuple(bound)
        self._use_places(host)

    def _identified(self, connection: Connection, identity: Identity) -> None:
        if connection.dialed and identity.seen_at is not None and self._host is not None:
            self._seen.told(connection.peer, identity.seen_at.host)
            self._use_places(self._host)

    def _use_places(self, host: Host) -> None:
        seen = self._seen.hosts()
        host.announced = tuple(
            Multiaddr(found, address.port) for address in self._listening for found in places.hosts(address.host, seen)
        )

    # ---- time ----

    async def _turn(self, kad: Kademlia) -> None:
        join, pause, say = 0, JOIN_TICKS, 0
        while True:
            if not len(kad.table) and self._tick >= join and self._settings.bootstrap:
                await self._join(kad)
                join, pause = self._tick + pause, min(2 * pause, MOST_PAUSE)
            if len(kad.table) and (self._tick >= say or self._endpoints() != self._said):
                await self._say(kad)
                say = self._tick + SAY_TICKS
            if self._tick % REFRESH_TICKS == REFRESH_TICKS - 1:
                kad.store.expire(self._wall())
                await kad.find_node(ChaCha20Poly1305.generate_key())  # 32 random bytes: any place
            self._look(kad)
            self._tick += 1
            await self._services.sleep(TICK)

    async def _join(self, kad: Kademlia) -> None:
        reached = await asyncio.gather(*(self._call(multiaddr.parse(text)) for text in self._settings.bootstrap))
        if any(reached):
            self._services.report("")
            await kad.find_node(self._own_peer)
        else:
            self._services.report("no bootstrap peer of the libp2p network answers")

    async def _call(self, address: Multiaddr) -> bool:
        assert self._host is not None
        try:
            hosts = await self._services.resolve(address.host, address.port) if address.kind else [address.host]
            connection = await self._host.connect(address.peer, [address._replace(host=host, kind="") for host in hosts])
            await connection.known.wait()
        except FAILURES:
            return False
        return True

    @property
    def _own_peer(self) -> bytes:
        assert self._host is not None
        return self._host.own.peer

    # ---- saying where this node is ----

    def _endpoints(self) -> tuple[Endpoint, ...]:
        if not self._settings.announce:
            return ()
        if self._settings.endpoints:
            return tuple(map(Endpoint.parse, self._settings.endpoints))
        return places.endpoints(self._services.listening(), self._seen.hosts())

    async def _say(self, kad: Kademlia) -> None:
        assert self._host is not None
        endpoints = self._said = self._endpoints()
        if not self._settings.announce or not endpoints:
            return
        identity = self._services.identity
        salt = ChaCha20Poly1305.generate_key()  # 32 random bytes
        record = place.made(self._host.own, identity, endpoints, self._wall(), salt)
        kept = await kad.put_value(record)
        told = await kad.provide(place.provided(identity))
        self._services.report("" if kept or told else "nobody in the libp2p network keeps where this node is")

    # ---- looking for peers ----

    def _look(self, kad: Kademlia) -> None:
        self._services.configured()  # what comes later is a change
        identities = self._services.identities()
        for gone in [name for name in self._due if name not in identities]:
            del self._due[gone]
            self._tell(gone, ())
        if not len(kad.table) and not kad.store.values:
            return
        for name, identity in identities.items():
            due, pause = self._due.setdefault(name, (self._tick, LOOK_SOON_TICKS))
            if due <= self._tick and name not in self._looking and len(self._looking) < MOST_LOOKING:
                self._looking.add(name)
                self._due[name] = self._tick + pause, min(2 * pause, LOOK_TICKS)
                self._spawn(self._look_for(kad, name, identity), "libp2p look-up")

    async def _look_for(self, kad: Kademlia, name: str, identity: str) -> None:
        try:
            found = await self._places_of(kad, identity)
        finally:
            self._looking.discard(name)
        if found and name in self._due:
            self._due[name] = self._tick + LOOK_TICKS, LOOK_SOON_TICKS
            self._tell(name, tuple(Candidate(name, endpoint, priority, TTL) for priority, endpoint in enumerate(found)))

    async def _places_of(self, kad: Kademlia, identity: str) -> tuple[Endpoint, ...]:
        """What its newest record says. Nobody can say which of several is not a liar's, so each gives its best, newest first."""
        providers = await kad.find_providers(place.provided(identity))
        found: dict[bytes, place.Found] = {}
        for provider in providers[:MOST_PROVIDERS]:
            if provider.id == self._own_peer:
                continue
            said = await self._said_by(kad, provider, identity)
            if said is not None:
                found[provider.id] = said
        newest = sorted(found.values(), key=lambda said: said.issued, reverse=True)
        return tuple(dict.fromkeys(endpoint for said in newest for endpoint in said.endpoints))[: place.MOST_ENDPOINTS]

    async def _said_by(self, kad: Kademlia, provider: Peer, identity: str) -> place.Found | None:
        """Ask the provider itself, then those who keep its record: it may be behind a NAT."""
        key = place.key(identity, provider.id)
        values: list[bytes] = []
        if provider.addresses:
            try:
                answer = await kad.ask(provider, Message(Type.GET_VALUE, key))
                values = [answer.record.value] if answer.record is not None else []
            except FAILURES:
                values = []
        found = self._newest(key, values, identity)
        return found or self._newest(key, await kad.get_values(key), identity)

    def _newest(self, key: bytes, values: Sequence[bytes], identity: str) -> place.Found | None:
        assert self._host is not None
        good = []
        for value in values:
            try:
                good.append(place.opened(Record(key, value), identity, self._wall()))
            except Malformed as error:
                self._host.counted[error.reason] += 1
        return max(good, key=lambda said: said.issued, default=None)

    def _tell(self, name: str, places_now: tuple[Candidate, ...]) -> None:
        before = self._found.pop(name, ())
        if places_now:
            self._found[name] = places_now
        now = {candidate.endpoint for candidate in places_now}
        gone = [candidate._replace(ttl=0.0) for candidate in before if candidate.endpoint not in now]
        if gone or places_now:
            self._news.put_nowait([*gone, *places_now])
