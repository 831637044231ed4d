"""Looks for peers in a libp2p network, and says there where this node can be called.

    join       while nobody is known: call the bootstrap peers
    say        each hour, and when it has changed: a record under a key made from this node's identity
    look       each ten minutes for each peer: who provides its key ─ that one's record, from itself or others

What is found is a hint where to call a peer, whose handshake proves who it is. So a lie costs an attempt; how many there may be
is bounded, and what is left out is counted by reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from appliance.api.discovery import Candidate, DiscoveryServices
from appliance_discovery_libp2p import place, places
from appliance_discovery_libp2p.gossip.router import Router
from appliance_discovery_libp2p.kad.store import Store
from appliance_discovery_libp2p.looking import Looking
from appliance_discovery_libp2p.net.host import FAILURES, Host
from appliance_discovery_libp2p.net.kademlia import Kademlia
from appliance_discovery_libp2p.net.pubsub import PubSub
from appliance_discovery_libp2p.saying import Saying
from appliance_discovery_libp2p.seen import Seen
from appliance_discovery_libp2p.wire import multiaddr
from appliance_discovery_libp2p.wire.keys import OwnKey, id_text
from appliance_discovery_libp2p.wire.multiaddr import Multiaddr

if TYPE_CHECKING:
    from appliance.api.services import Stats
    from appliance_discovery_libp2p.net.connection import Connection
    from appliance_discovery_libp2p.settings import Libp2pSettings
    from appliance_discovery_libp2p.wire.identify import Identity

TICK: Final = 5.0
JOIN_TICKS: Final = 6
"""Between two calls of the bootstrap peers, at first; then twice as long each time, up to MOST_PAUSE."""
SAY_TICKS, SAY_AGAIN_TICKS = 720, 60
"""Between two times that a node says where it is, and after one that nobody kept."""
REFRESH_TICKS: Final = 120
MOST_PAUSE: Final = 120
KEY: Final = "key"
KEY_BYTES: Final = 32
MOST_REASONS: Final = 32
"""That a status shows."""


class Libp2p:
    """A `Discoverer` of `appliance.api.discovery`. `wall` gives seconds since 1970."""

    def __init__(self, services: DiscoveryServices, settings: Libp2pSettings, wall: Callable[[], float]) -> None:
        self._services, self._settings, self._wall = services, settings, wall
        self._news: asyncio.Queue[Sequence[Candidate]] = asyncio.Queue()
        self._running: _Running | None = None

    async def candidates(self) -> AsyncIterator[Sequence[Candidate]]:
        """What is found, as it is found."""
        running = self._running = _Running(self._services, self._settings, self._wall, self._news.put_nowait)
        try:
            await running.start()
            while True:
                yield await self._news.get()
        finally:
            await running.host.close()

    def stats(self) -> Stats:
        """Peers of the network, what is kept for others, our peers that are found, and what went wrong, by reason."""
        return {"running": False} if self._running is None else self._running.stats()


class _Running:
    """What there is of it once an event loop runs."""

    def __init__(
        self,
        services: DiscoveryServices,
        settings: Libp2pSettings,
        wall: Callable[[], float],
        tell: Callable[[Sequence[Candidate]], None],
    ) -> None:
        self.tick = 0
        self._services, self._settings, self._wall = services, settings, wall
        self._problems: dict[str, str] = {}
        """What is wrong, by what it is about."""
        own = own_key(services, partial(self._report, "key"))
        self.host = Host(own, self._spawn)
        self.kad = Kademlia(self.host, settings.network, Store(own.peer, place.judge), wall, serves=bool(settings.listen))
        self.pubsub = PubSub(self.host, Router(own, services.jitter, int(wall() * 1e6)), self._spawn)
        self._seen = Seen()
        self._saying = Saying(
            services, settings, self.host, self.kad, self.pubsub, wall, self._seen, partial(self._report, "say")
        )
        self.looking = Looking(self.host, self.kad, self.pubsub, self._spawn, tell, wall, TICK)
        self._listening: tuple[Multiaddr, ...] = ()
        self.host.identified.append(self._identified)

    async def start(self) -> None:
        """Listen, and begin to turn."""
        bound, refused = [], []
        for text in self._settings.listen:
            wanted = multiaddr.parse(text)
            try:
                bound.append(wanted._replace(port=await self.host.listen(wanted.host, wanted.port)))
            except OSError as error:
                refused.append(f"cannot listen at {text}: {error.strerror or error}")
        self._report("listen", "; ".join(refused))
        self._listening = tuple(bound)
        self._use_places()
        for work, name in ((self.host.run(), "host"), (self.pubsub.run(), "gossip"), (self._turn(), "turn")):
            self._spawn(work, f"libp2p {name}")

    def stats(self) -> Stats:
        """As the discoverer's."""
        return {
            "peer": id_text(self.host.own.peer),
            "connected": len(self.host.peers),
            "table": len(self.kad.table),
            "records": self.kad.store.values,
            "provided": self.kad.store.provided,
            "found": len(self.looking.claims),
            "announcing": len(self._saying.said),
            **{reason: count for reason, count in self.host.counted.most_common(MOST_REASONS) if count},
        }

    def _report(self, about: str, problem: str) -> None:
        """What is wrong with one thing hides nothing of another."""
        if self._problems.get(about, "") != problem:
            self._problems[about] = problem
            self._services.report("; ".join(filter(None, self._problems.values())))

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._services.spawn(work, name)

    def _identified(self, connection: Connection, identity: Identity) -> None:
        if identity.seen_at is not None:
            self._seen.told(connection.peer, identity.seen_at.host, asked=connection.dialed)
            self._use_places()

    def _use_places(self) -> None:
        seen = self._seen.hosts()
        self.host.announce(
            [Multiaddr(host, address.port) for address in self._listening for host in places.hosts(address.host, seen)]
        )

    # ---- time ----

    async def _turn(self) -> None:
        join, pause, say = 0, JOIN_TICKS, 0
        while True:
            self._services.configured()  # what comes later is a change
            self.looking.use(self._services.identity, self._services.identities())
            if not len(self.kad.table) and self.tick >= join and self._settings.bootstrap:
                pause = JOIN_TICKS if await self._join() else min(2 * pause, MOST_PAUSE)
                join = self.tick + pause
            if len(self.kad.table) and (self.tick >= say or self._saying.endpoints != self._saying.said):
                say = self.tick + (SAY_TICKS if await self._saying.say() else SAY_AGAIN_TICKS)
            if self.tick % REFRESH_TICKS == REFRESH_TICKS - 1:
                self.kad.store.expire(self._wall())
                await self.kad.find_node(ChaCha20Poly1305.generate_key())  # 32 random bytes: any place
            self.looking.look(self.tick)
            self.tick += 1
            await self._services.sleep(TICK)

    async def _join(self) -> bool:
        reached = await asyncio.gather(*(self._call(multiaddr.parse(text)) for text in self._settings.bootstrap))
        if not any(reached):
            self._report("join", "no bootstrap peer of the libp2p network answers")
            return False
        self._report("join", "")
        await self.kad.find_node(self.host.own.peer)
        return True

    async def _call(self, address: Multiaddr) -> bool:
        try:
            hosts = await self._services.resolve(address.host, address.port) if address.kind else [address.host]
            connection = await self.host.connect(address.peer, [address._replace(host=host, kind="") for host in hosts])
            await connection.known.wait()
        except FAILURES:
            return False
        return True


def own_key(services: DiscoveryServices, report: Callable[[str], None]) -> OwnKey:
    """The key of this node in libp2p networks, which has nothing to do with its identity."""
    try:
        secret = services.storage.read(KEY)
        if secret is None or len(secret) != KEY_BYTES:
            secret = Ed25519PrivateKey.generate().private_bytes_raw()
            services.storage.write(KEY, secret)
    except OSError as error:
        report(f"the key for libp2p is not kept, so this node is another one there after a restart: {error}")
        secret = Ed25519PrivateKey.generate().private_bytes_raw()
    return OwnKey(secret)
