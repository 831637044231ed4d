"""This node in a Kademlia of libp2p: it answers, asks, and keeps its table of peers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from appliance_discovery_libp2p.kad import messages, reach
from appliance_discovery_libp2p.kad.distance import point
from appliance_discovery_libp2p.kad.lookup import Lookup
from appliance_discovery_libp2p.kad.messages import Message, Peer, Record, Type
from appliance_discovery_libp2p.kad.store import Store
from appliance_discovery_libp2p.kad.table import K, Table
from appliance_discovery_libp2p.net.connection import Connection
from appliance_discovery_libp2p.net.host import FAILURES, Host
from appliance_discovery_libp2p.net.streams import Stream
from appliance_discovery_libp2p.net.turns import SECONDS_A_BYTE
from appliance_discovery_libp2p.wire import varint
from appliance_discovery_libp2p.wire.identify import Identity
from appliance_discovery_libp2p.wire.malformed import Malformed
from appliance_discovery_libp2p.wire.multiaddr import Multiaddr

QUESTION_SECONDS: Final = 5.0
"""For one peer's answer, the connection to it included."""
LOOKUP_SECONDS: Final = 30.0
STREAM_SECONDS: Final = 60.0
"""That a peer may keep a stream for its questions."""
MOST_LOOKUPS: Final = 8
"""Of this node at a time."""


class Kademlia:
    """`protocol` names the network, "/ipfs/kad/1.0.0" is the public one.

    `wall` gives seconds since 1970. `serves`: it answers.
    """

    def __init__(self, host: Host, protocol: str, store: Store, wall: Callable[[], float], *, serves: bool = True) -> None:
        self.table = Table(host.own.peer)
        self.store = store
        self._host, self._protocol, self._wall = host, protocol, wall
        self._own = host.own.peer
        self._lookups = asyncio.Semaphore(MOST_LOOKUPS)
        if serves:
            host.handle(protocol, self._answer_all, STREAM_SECONDS)
        host.identified.append(self._identified)

    # ---- asking ----

    async def find_node(self, key: bytes) -> list[Peer]:
        """The nearest peers to a peer id, or to a place of 32 random bytes, that answer."""
        return await self._look_up(Message(Type.FIND_NODE, key), _ignore)

    async def get_values(self, key: bytes) -> list[bytes]:
        """What the nearest peers keep under a key, and what this node keeps. Nobody has judged it."""
        found: dict[bytes, None] = {}
        own = self.store.get(key, self._wall())
        if own is not None:
            found[own.value] = None

        def hear(answer: Message) -> None:
            if answer.record is not None and answer.record.key == key and len(found) < K:
                found[answer.record.value] = None

        await self._look_up(Message(Type.GET_VALUE, key), hear)
        return list(found)

    async def put_value(self, record: Record) -> int:
        """Have the nearest peers keep it, and this node. Returns how many do. Raises Malformed for a record that is not good."""
        self.store.put_own(record, self._wall())
        # py-libp2p answers "find node" for nothing but peer ids, so the nearest are found by asking for what is put.
        nearest = await self._look_up(Message(Type.GET_VALUE, record.key), _ignore)
        return await self._tell_all(nearest, Message(Type.PUT_VALUE, record.key, record))

    async def provide(self, key: bytes) -> int:
        """Tell the nearest peers that this node has what is under a key. Returns how many were told."""
        me = Peer(self._own, self._host.announced)
        if me.addresses:
            self.store.provide(key, me, self._wall())
        nearest = await self._look_up(Message(Type.GET_PROVIDERS, key), _ignore)
        return await self._tell_all(nearest, Message(Type.ADD_PROVIDER, key, providers=(me,)), answered=False)

    async def find_providers(self, key: bytes) -> list[Peer]:
        """Who says to have what is under a key."""
        found = {peer.id: peer for peer in self.store.providers(key, self._wall())}

        def hear(answer: Message) -> None:
            for peer in answer.providers:
                if len(found) < K:
                    found.setdefault(peer.id, peer)

        await self._look_up(Message(Type.GET_PROVIDERS, key), hear)
        return list(found.values())

    async def ask(self, peer: Peer, message: Message, *, answered: bool = True) -> Message:
        """One question to one peer; an answer is as believable as the peer. Raises OSError, Malformed, TimeoutError."""
        async with asyncio.timeout(QUESTION_SECONDS):
            stream, _ = await self._host.open(peer.id, peer.addresses, (self._protocol,))
            try:
                await stream.write(varint.framed(messages.write(message)))
                if not answered:
                    stream.end()
                    return message
                answer = await stream.read_message(messages.LONGEST)
            except BaseException:
                stream.reset()
                raise
        if answer is None:
            raise Malformed("cut off")
        stream.end()
        return self._believed(messages.read(answer), stream)

    @staticmethod
    def _believed(answer: Message, stream: Stream) -> Message:
        """Without addresses that this peer cannot know."""
        informant = stream.connection.remote.host

        def judged(peers: Sequence[Peer]) -> tuple[Peer, ...]:
            return tuple(Peer(peer.id, reach.believable(peer.addresses, informant)) for peer in peers)

        return answer._replace(closer=judged(answer.closer), providers=judged(answer.providers))

    async def _look_up(self, message: Message, hear: Callable[[Message], None]) -> list[Peer]:
        target = point(message.key)
        lookup = Lookup(target, self._own, self.table.closest(target), K)
        async with self._lookups:
            asking: set[asyncio.Task[None]] = set()
            try:
                async with asyncio.timeout(LOOKUP_SECONDS), asyncio.TaskGroup() as group:
                    while not lookup.done:
                        asking |= {group.create_task(self._ask_one(lookup, peer, message, hear)) for peer in lookup.ask()}
                        _, asking = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            except TimeoutError:
                self._host.counted["lookup late"] += 1
        return lookup.found

    async def _ask_one(self, lookup: Lookup, peer: Peer, message: Message, hear: Callable[[Message], None]) -> None:
        try:
            answer = await self.ask(peer, message)
        except FAILURES as error:
            self._host.counted["questions failed"] += 1
            if isinstance(error, Malformed):
                self._host.counted[error.reason] += 1
            self.table.remove(peer.id)
            lookup.silent(peer.id)
            return
        connection = self._host.connection(peer.id)
        if connection is not None:
            self._add(connection, peer.addresses)
        lookup.heard(peer.id, answer.closer)
        hear(answer)

    async def _tell_all(self, peers: Sequence[Peer], message: Message, *, answered: bool = True) -> int:
        told = await asyncio.gather(*(self._tell(peer, message, answered) for peer in peers))
        return sum(told)

    async def _tell(self, peer: Peer, message: Message, answered: bool) -> bool:
        try:
            await self.ask(peer, message, answered=answered)
        except FAILURES:
            return False
        return True

    # ---- answering ----

    async def _answer_all(self, stream: Stream) -> None:
        while (data := await stream.read_message(messages.LONGEST)) is not None:
            stream.connection.spend()
            await stream.connection.turn(len(data) * SECONDS_A_BYTE)
            answer = self._answer(messages.read(data), stream)
            if answer is not None:
                await stream.write(varint.framed(messages.write(answer)))

    def _answer(self, asked: Message, stream: Stream) -> Message | None:
        """None where the specification wants no answer. Raises Malformed: the stream ends."""
        now = self._wall()
        if asked.type is Type.PUT_VALUE:
            if asked.record is None or asked.record.key != asked.key:
                raise Malformed("kad")
            self.store.put(asked.record, now)
            return asked
        if asked.type is Type.ADD_PROVIDER:
            self._add_provider(asked, stream, now)
            return None
        answer = Message(asked.type, asked.key)
        if asked.type is not Type.PING:
            nearest = [peer for peer in self.table.closest(point(asked.key), K + 1) if peer.id != stream.peer]
            answer = answer._replace(closer=tuple(nearest[:K]))
        if asked.type is Type.GET_VALUE:
            answer = answer._replace(record=self.store.get(asked.key, now))
        if asked.type is Type.GET_PROVIDERS:
            answer = answer._replace(providers=self.store.providers(asked.key, now))
        return answer

    def _add_provider(self, asked: Message, stream: Stream, now: float) -> None:
        """A peer speaks for itself and for nobody else."""
        for peer in asked.providers:
            if peer.id == stream.peer:
                believed = reach.believable(peer.addresses, stream.connection.remote.host)
                self.store.add_provider(asked.key, Peer(peer.id, believed), now)
                return
        raise Malformed("provider")

    # ---- who is there ----

    def _identified(self, connection: Connection, identity: Identity) -> None:
        """Who speaks our protocol is asked from now on."""
        if self._protocol in identity.protocols:
            self._add(connection, reach.believable(identity.addresses, connection.remote.host))

    def _add(self, connection: Connection, addresses: Sequence[Multiaddr]) -> None:
        """Of what it says, first where it was called, or called from: so it cannot pretend to be in many networks."""
        remote = connection.remote
        if connection.dialed:
            addresses = tuple(dict.fromkeys((Multiaddr(remote.host, remote.port), *addresses)))
        else:
            addresses = tuple(address for address in addresses if address.host == remote.host)
        self.table.add(Peer(connection.peer, addresses[: messages.MOST_ADDRESSES]))


def _ignore(answer: Message) -> None:
    """Only who answers counts."""
