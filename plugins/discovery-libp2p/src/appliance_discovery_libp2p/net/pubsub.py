"""This node in gossipsub: a stream to each peer that speaks it, one from each, and a beat each second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from appliance_discovery_libp2p.gossip import messages
from appliance_discovery_libp2p.gossip.router import BEAT_SECONDS, Judge, Router
from appliance_discovery_libp2p.net.connection import Connection
from appliance_discovery_libp2p.net.host import FAILURES, Host
from appliance_discovery_libp2p.net.streams import Stream
from appliance_discovery_libp2p.net.turns import SECONDS_A_BYTE
from appliance_discovery_libp2p.wire import varint
from appliance_discovery_libp2p.wire.identify import Identity

PROTOCOL: Final = "/meshsub/1.1.0"
MOST_WAITING: Final = 64
"""RPCs that wait for one peer: it does not read, and gets what comes after."""
NOTHING: Final = b""
"""Wakes up whoever writes to a peer that is gone; no RPC is empty."""
WRITE_SECONDS: Final = 10.0
BYTES_A_QUESTION: Final = 4096
"""Of an RPC that cost as much as a question in Kademlia."""
DAY: Final = 24 * 3600.0
"""That a stream may last: it is opened again."""


class PubSub:
    """Each of `heard` is told topic and data of each good message."""

    def __init__(self, host: Host, router: Router, spawn: Callable[[Coroutine[Any, Any, None], str], None]) -> None:
        self.heard: list[Callable[[str, bytes], None]] = []
        self._host, self._router, self._spawn = host, router, spawn
        self._waiting: dict[bytes, asyncio.Queue[bytes]] = {}
        self._somebody = asyncio.Event()
        """Is there any peer that speaks it? While there is none, nothing beats."""
        router.counted = host.counted
        host.handle(PROTOCOL, self._listen, DAY)
        host.identified.append(self._identified)
        host.left.append(self._left)
        host.keeps.append(router.shares)

    def mesh(self, topic: str) -> frozenset[bytes]:
        """Who gets this topic's messages from us at once."""
        return self._router.mesh(topic)

    def subscribe(self, topic: str, judge: Judge) -> None:
        """Hear it; `judge` says whether a message's data is good. It must not raise."""
        self._router.subscribe(topic, judge, self._host.now())
        self._flush()

    def unsubscribe(self, topic: str) -> None:
        """Hear it no more."""
        self._router.unsubscribe(topic)
        self._flush()

    def publish(self, topic: str, data: bytes) -> int:
        """Returns to how many peers it went."""
        sent = self._router.publish(topic, data, self._host.now())
        self._flush()
        return sent

    async def run(self) -> None:
        """The beat. Ends when cancelled."""
        while True:
            await self._somebody.wait()
            await asyncio.sleep(BEAT_SECONDS)
            self._router.beat(self._host.now())
            self._flush()

    def _identified(self, connection: Connection, identity: Identity) -> None:
        peer = connection.peer
        if PROTOCOL in identity.protocols and peer not in self._waiting:
            self._waiting[peer] = asyncio.Queue(MOST_WAITING)
            self._somebody.set()
            self._spawn(self._talk(peer, self._waiting[peer]), "libp2p gossip")
            self._router.connected(peer)
            self._flush()

    def _left(self, peer: bytes) -> None:
        self._router.gone(peer)
        waiting = self._waiting.pop(peer, None)
        if waiting is not None and waiting.empty():
            waiting.put_nowait(NOTHING)
        if not self._waiting:
            self._somebody.clear()

    async def _talk(self, peer: bytes, waiting: asyncio.Queue[bytes]) -> None:
        try:
            stream, _ = await self._host.open(peer, (), (PROTOCOL,))
            while (rpc := await waiting.get()) != NOTHING:
                async with asyncio.timeout(WRITE_SECONDS):
                    await stream.write(varint.framed(rpc))
        except FAILURES:
            self._host.counted["gossip failed"] += 1
            if self._waiting.get(peer) is waiting:
                self._left(peer)

    async def _listen(self, stream: Stream) -> None:
        while (rpc := await stream.read_message(messages.LONGEST)) is not None:
            stream.connection.spend(1 + len(rpc) // BYTES_A_QUESTION)
            await stream.connection.turn(len(rpc) * SECONDS_A_BYTE)
            for _ in self._router.receive(stream.peer, rpc, self._host.now()):
                self._flush()
                await stream.connection.turn()
            self._flush()

    def _flush(self) -> None:
        router = self._router
        for peer, rpc in router.say:
            waiting = self._waiting.get(peer)
            if waiting is not None and not waiting.full():
                waiting.put_nowait(rpc)
            else:
                self._host.counted["gossip unsent"] += 1
        router.say.clear()
        told, router.heard = router.heard, []
        for message in told:
            for heard in self.heard:
                heard(message.topic, message.data or b"")
        for peer in router.expelled:
            self._host.expel(peer, "gossip spam")
        router.expelled.clear()
