"""js-libp2p and py-libp2p as judges: they call us and are called, and records go both ways through peers of ours."""

from __future__ import annotations

import asyncio

import pytest

from appliance.api.values import Endpoint
from appliance_discovery_libp2p import clock, place
from appliance_discovery_libp2p.kad.messages import Message, Peer, Type
from appliance_discovery_libp2p.net.host import PING
from appliance_discovery_libp2p.wire.identify import IDENTIFY
from appliance_discovery_libp2p.wire.keys import id_text
from tests.rigs.libp2p.judges import Judge, judge
from tests.rigs.libp2p.nodes import PATIENCE, PUBLIC, Node, nodes, until

IDENTITY, OTHER = "llp1:" + "a" * 52, "llp1:" + "b" * 52


def record_of(node: Node, identity: str = IDENTITY) -> place.Record:
    return place.made(node.host.own, identity, [Endpoint("udp", "198.51.100.7", 8443)], clock.wall(), bytes(32))


async def until_known(node: Node, peer: bytes) -> None:
    await until(lambda: node.kad.table.find(peer))


@pytest.mark.parametrize("kind", ["js", "py"])
async def test_a_foreign_peer_speaks_with_us_and_fetches_and_keeps_records(kind: str) -> None:
    async with judge(kind, PUBLIC) as foreign, nodes(3) as (ours, between, reader):
        # It calls us: Noise, yamux, identify, ping.
        assert {PING, IDENTIFY, PUBLIC} <= set((await foreign.do("connect", to=str(between.at)))["protocols"])
        await foreign.do("ping", to=str(between.at))
        # We call it.
        await (await ours.host.connect(foreign.at.peer, [foreign.at])).known.wait()
        await ours.host.ping(foreign.at.peer, bytes(range(32)))
        await until_known(between, foreign.at.peer)
        for one in (ours, reader):
            await one.meet(between)
        # Ours says where it is; the stranger asks the one in between, and gets the same bytes and the same provider.
        record = record_of(ours)
        everybody = {between.peer, reader.peer, foreign.at.peer}
        assert {peer.id for peer in await ours.kad.find_node(ours.peer)} == everybody
        assert await ours.kad.put_value(record) == await ours.kad.provide(place.provided(IDENTITY)) == 3
        kept = await ours.kad.ask(Peer(foreign.at.peer, (foreign.at,)), Message(Type.GET_VALUE, record.key))
        assert kept.record == record
        assert (await foreign.do("get", key=record.key.hex()))["value"] == record.value.hex()
        found = await foreign.do("providers", key=place.provided(IDENTITY).hex())
        assert id_text(ours.peer) in found["providers"]
        # The stranger keeps a record with us, and says that it provides something.
        other = record_of(reader, OTHER)
        await foreign.do("put", key=other.key.hex(), value=other.value.hex())
        assert other.value in await ours.kad.get_values(other.key)
        await foreign.do("provide", key=place.provided(OTHER).hex())
        assert foreign.at.peer in [peer.id for peer in await reader.kad.find_providers(place.provided(OTHER))]


TOPIC = "/llp/test"


async def test_a_message_of_one_foreign_peer_reaches_the_other_through_ours() -> None:
    async with judge("js", PUBLIC) as script, judge("py", PUBLIC) as python, nodes(2) as (ours, listening):
        ours.pubsub.subscribe(TOPIC, lambda data: data != b"bad")
        listening.pubsub.subscribe(TOPIC, lambda _: True)
        await listening.meet(ours)
        for foreign in (script, python):
            await foreign.do("subscribe", topic=TOPIC)
            await foreign.do("connect", to=str(ours.at))
        await until(lambda: ours.pubsub.mesh(TOPIC) >= {script.at.peer, python.at.peer, listening.peer})
        ours.pubsub.publish(TOPIC, b"from ours")
        assert await told(script) == await told(python) == b"from ours"
        for foreign, other in ((script, python), (python, script)):
            said = f"from {id_text(foreign.at.peer)}".encode()
            await foreign.do("publish", topic=TOPIC, data=said.hex())
            assert await told(other) == said
            await until(lambda said=said: (TOPIC, said) in listening.heard)
        await script.do("publish", topic=TOPIC, data=b"bad".hex())
        await script.do("publish", topic=TOPIC, data=b"good".hex())
        while await told(python) != b"good":
            pass  # js and py may have found each other meanwhile, and then the bad one comes without us
        assert ours.host.counted["gossip refused"] >= 1


async def told(foreign: Judge) -> bytes:
    """The next message of somebody else that it gets."""
    async with asyncio.timeout(PATIENCE):
        while True:
            message = await foreign.messages.get()
            if message.get("from") != id_text(foreign.at.peer):
                return bytes.fromhex(message["data"])
