"""A peer of py-libp2p that does what is asked of it, a line of JSON each, and answers with one (tests/rig.py).

Run by the environment of packaging/setup.sh, not by the suite's own.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr


class AllGood:
    """Takes each record of ours: its reader judges it."""

    def validate(self, key: str, value: bytes) -> None:
        pass

    def select(self, key: str, values: list[bytes]) -> int:
        return 0


def say(number: int | None, **what: Any) -> None:
    print(json.dumps({"id": number, **what}), flush=True)


class Judge:
    def __init__(self, host: Any, dht: KadDHT, pubsub: Pubsub, nursery: trio.Nursery) -> None:
        self.host, self.dht, self.pubsub, self.nursery = host, dht, pubsub, nursery

    async def connect(self, to: str) -> dict[str, Any]:
        info = info_from_p2p_addr(Multiaddr(to))
        await self.host.connect(info)
        await self.dht.add_peer(info.peer_id)
        while not (protocols := self.host.get_peerstore().get_protocols(info.peer_id)):  # noqa: ASYNC110
            await trio.sleep(0.02)
        return {"protocols": protocols}

    async def ping(self, to: str) -> dict[str, Any]:
        info = info_from_p2p_addr(Multiaddr(to))
        await self.host.connect(info)
        stream = await self.host.new_stream(info.peer_id, ["/ipfs/ping/1.0.0"])
        await stream.write(bytes(range(32)))
        back = b""
        while len(back) < 32:
            back += await stream.read(32 - len(back))
        await stream.close()
        return {"ms": 0, "same": back == bytes(range(32))}

    async def get(self, key: str) -> dict[str, Any]:
        value = await self.dht.get_value(bytes.fromhex(key).decode())
        return {"value": value and value.hex()}

    async def put(self, key: str, value: str) -> dict[str, Any]:
        await self.dht.put_value(bytes.fromhex(key).decode(), bytes.fromhex(value))
        return {}

    async def provide(self, key: str) -> dict[str, Any]:
        return {"kept": await self.dht.provide(key)}

    async def providers(self, key: str) -> dict[str, Any]:
        return {"providers": [info.peer_id.to_base58() for info in await self.dht.find_providers(key)]}

    async def subscribe(self, topic: str) -> dict[str, Any]:
        self.nursery.start_soon(self.tell, await self.pubsub.subscribe(topic))
        return {}

    async def tell(self, subscription: Any) -> None:
        while True:
            message = await subscription.get()
            say(None, topic=message.topicIDs[0], data=message.data.hex(), **{"from": ID(message.from_id).to_base58()})

    async def publish(self, topic: str, data: str) -> dict[str, Any]:
        await self.pubsub.publish(topic, bytes.fromhex(data))
        return {}

    async def mesh(self, topic: str) -> dict[str, Any]:
        return {"peers": [peer.to_base58() for peer in self.pubsub.router.mesh.get(topic, ())]}

    async def answer(self, line: str) -> None:
        words = json.loads(line)
        number, deed = words.pop("id"), words.pop("deed")
        try:
            say(number, **await getattr(self, deed)(**words))
        except Exception as error:  # noqa: BLE001  the test reads it
            say(number, error=f"{type(error).__name__}: {error}")


async def main() -> None:
    logging.disable(logging.CRITICAL)
    address = Multiaddr("/ip4/127.0.0.1/tcp/0")
    host = new_host(key_pair=create_new_key_pair(), muxer_preference="YAMUX")
    async with host.run(listen_addrs=[address]), trio.open_nursery() as nursery:
        dht = KadDHT(host, DHTMode.SERVER)
        dht.register_validator("llp", AllGood())
        gossip = GossipSub(protocols=["/meshsub/1.1.0"], degree=6, degree_low=4, degree_high=12, heartbeat_interval=1)
        pubsub = Pubsub(host, gossip, strict_signing=True)
        async with background_trio_service(dht), background_trio_service(pubsub), background_trio_service(gossip):
            await pubsub.wait_until_ready()
            judge = Judge(host, dht, pubsub, nursery)
            say(0, at=str(host.get_addrs()[0]))
            async for line in trio.wrap_file(sys.stdin):
                nursery.start_soon(judge.answer, line)
            nursery.cancel_scope.cancel()


trio.run(main)
