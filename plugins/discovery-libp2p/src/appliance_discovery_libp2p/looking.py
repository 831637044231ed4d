"""Looks for peers of ours by their identities: now and then in the network's Kademlia, at once in their topics when they move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from appliance.api.discovery import Candidate
from appliance_discovery_libp2p import place
from appliance_discovery_libp2p.claims import Claims
from appliance_discovery_libp2p.kad.messages import Message, Peer, Record, Type, read_record
from appliance_discovery_libp2p.net.host import FAILURES, Host, Spawn
from appliance_discovery_libp2p.net.kademlia import Kademlia
from appliance_discovery_libp2p.net.pubsub import PubSub
from appliance_discovery_libp2p.wire import keys
from appliance_discovery_libp2p.wire.malformed import Malformed

LOOK_TICKS: Final = 120
LOOK_SOON_TICKS: Final = 12
"""For a peer of whom nothing was found, at first; then twice as long each time, up to LOOK_TICKS."""
MOST_LOOKING: Final = 4
"""Peers that are looked for at a time."""
MOST_PROVIDERS: Final = 8
"""Peers of the network that say to be one of ours, and are asked."""
MOST_TOPICS: Final = 64
"""That are heard: others remember no more of them."""
OWN: Final = ""
"""The name of this node itself."""


class Looking:
    """`tell` gets the candidates. Time is counted in ticks of `tick_seconds`."""

    def __init__(
        self,
        host: Host,
        kad: Kademlia,
        pubsub: PubSub,
        spawn: Spawn,
        tell: Callable[[Sequence[Candidate]], None],
        wall: Callable[[], float],
        tick_seconds: float,
    ) -> None:
        self.claims = Claims(3 * LOOK_TICKS * tick_seconds)
        self._host, self._kad, self._pubsub, self._spawn = host, kad, pubsub, spawn
        self._tell, self._wall = tell, wall
        self._identities: dict[str, str] = {}
        self._topics: dict[str, str] = {}
        """Names by topic."""
        self._due: dict[str, tuple[int, int]] = {}
        """Of each peer: the tick at which it is looked for, and the pause after that, should nothing be found."""
        self._looking: set[str] = set()
        pubsub.heard.append(self._heard)

    def use(self, own: str, identities: Mapping[str, str]) -> None:
        """These are the peers from now on, by name, and `own` is this node's identity: who hears our topic stays connected."""
        fresh = dict(identities)
        if self._topics and fresh == self._identities:
            return
        for name in [name for name, identity in self._identities.items() if fresh.get(name) != identity]:
            self._due.pop(name, None)
            self.claims.forget(name)
            self._say(name)
        self._identities = fresh
        wanted = {OWN: own, **fresh}
        topics = {place.topic(identity): name for name, identity in list(wanted.items())[:MOST_TOPICS]}
        for topic in [topic for topic in self._topics if topic not in topics]:
            self._pubsub.unsubscribe(topic)
        for topic, name in topics.items():
            self._pubsub.subscribe(topic, partial(self._is_good, wanted[name]))
        self._topics = topics

    def look(self, tick: int) -> None:
        """Begin what is due."""
        if not len(self._kad.table) and not self._kad.store.values:
            return
        for name, identity in self._identities.items():
            due, pause = self._due.setdefault(name, (tick, LOOK_SOON_TICKS))
            if due <= tick and name not in self._looking and len(self._looking) < MOST_LOOKING:
                self._looking.add(name)
                self._due[name] = tick + pause, min(2 * pause, LOOK_TICKS)
                self._spawn(self._look_for(name, identity, tick), "libp2p look-up")

    def soon(self) -> None:
        """Look for everybody at the next tick."""
        self._due.clear()

    async def _look_for(self, name: str, identity: str, tick: int) -> None:
        try:
            providers = await self._kad.find_providers(place.provided(identity))
            others = [peer for peer in providers if peer.id != self._host.own.peer][:MOST_PROVIDERS]
            found = await asyncio.gather(*(self._said_by(provider, identity) for provider in others))
        finally:
            self._looking.discard(name)
        if self._identities.get(name) != identity:
            return
        for provider, said in zip(others, found, strict=True):
            if said is not None:
                self.claims.claim(name, provider.id, said)
                self._due[name] = tick + LOOK_TICKS, LOOK_SOON_TICKS
        self.claims.expire(name, self._wall() - place.MOST_FORCE_SECONDS)
        self._say(name)

    async def _said_by(self, provider: Peer, identity: str) -> place.Found | None:
        """Ask the provider itself, then those who keep its record: it may be behind a NAT."""
        key = place.key(identity, provider.id)
        values: list[bytes] = []
        if provider.addresses:
            try:
                answer = await self._kad.ask(provider, Message(Type.GET_VALUE, key))
                values = [answer.record.value] if answer.record is not None else []
            except FAILURES:
                values = []
        found = self._newest(key, values, identity)
        return found or self._newest(key, await self._kad.get_values(key), identity)

    def _newest(self, key: bytes, values: Sequence[bytes], identity: str) -> place.Found | None:
        good = []
        for value in values:
            try:
                good.append(place.opened(Record(key, value), identity, self._wall()))
            except Malformed as error:
                self._host.counted[error.reason] += 1
        return max(good, key=lambda said: said.issued, default=None)

    # ---- topics ----

    def _is_good(self, identity: str, data: bytes) -> bool:
        try:
            place.opened(read_record(data), identity, self._wall())
        except Malformed:
            return False
        return True

    def _heard(self, topic: str, data: bytes) -> None:
        name = self._topics.get(topic, OWN)
        if name not in self._identities:
            return
        record = read_record(data)
        try:
            found = place.opened(record, self._identities[name], self._wall())
        except Malformed:
            return  # it has expired since it was judged
        self.claims.claim(name, keys.read_id(record.key.rpartition(b"/")[2].decode()), found)
        self._say(name)

    def _say(self, name: str) -> None:
        news = self.claims.news(name)
        if news:
            self._tell(news)
