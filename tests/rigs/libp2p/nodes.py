"""Several of our own peers in one process, on real sockets of this host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from appliance_discovery_libp2p import clock, place
from appliance_discovery_libp2p.gossip.router import Router
from appliance_discovery_libp2p.kad.store import Store
from appliance_discovery_libp2p.net.host import Host
from appliance_discovery_libp2p.net.kademlia import Kademlia
from appliance_discovery_libp2p.net.pubsub import PubSub
from appliance_discovery_libp2p.wire.keys import OwnKey
from appliance_discovery_libp2p.wire.multiaddr import Multiaddr

PUBLIC = "/ipfs/kad/1.0.0"


PATIENCE = 60.0
"""Seconds that a machine without time may take."""


async def until(true: Callable[[], object]) -> None:
    """Wait until it is."""
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110  what is waited for is another process, or a socket
            await asyncio.sleep(0.005)


class Node:
    """A peer that listens at 127.0.0.1. `failures`: what its tasks raised, which should be nothing."""

    def __init__(self, number: int, protocol: str) -> None:
        self.failures: list[BaseException] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.host = Host(OwnKey(number.to_bytes(32, "big")), self.spawn)
        self.router = Router(self.host.own, Random(number).random, 0)
        self.pubsub = PubSub(self.host, self.router, self.spawn)
        self.heard: list[tuple[str, bytes]] = []
        self.pubsub.heard.append(lambda topic, data: self.heard.append((topic, data)))
        self.kad = Kademlia(self.host, protocol, Store(self.host.own.peer, place.judge), clock.wall)

    @property
    def peer(self) -> bytes:
        return self.host.own.peer

    @property
    def at(self) -> Multiaddr:
        return self.host.announced[0]._replace(peer=self.peer)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def start(self) -> None:
        self.host.announced = (Multiaddr("127.0.0.1", await self.host.listen("127.0.0.1", 0)),)
        self.spawn(self.host.run(), "host")
        self.spawn(self.pubsub.run(), "pubsub")

    async def meet(self, *others: Node) -> None:
        """Call these, and know what they speak."""
        for other in others:
            connection = await self.host.connect(other.peer, [other.at])
            await connection.known.wait()

    async def close(self) -> None:
        await self.host.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert self.failures == []

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures.append(error)


@asynccontextmanager
async def nodes(count: int, protocol: str = PUBLIC) -> AsyncIterator[list[Node]]:
    """So many, with keys of their own, which know nobody."""
    made = [Node(number + 1, protocol) for number in range(count)]
    try:
        for one in made:
            await one.start()
        yield made
    finally:
        for one in made:
            await one.close()
