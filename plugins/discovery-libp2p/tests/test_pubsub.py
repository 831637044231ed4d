"""Gossip between peers of ours on real sockets, and what a peer that floods or does not read comes to."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from appliance_discovery_libp2p.gossip import messages
from appliance_discovery_libp2p.gossip.messages import Rpc
from appliance_discovery_libp2p.net import host as hosts
from appliance_discovery_libp2p.net.pubsub import MOST_WAITING, PROTOCOL
from appliance_discovery_libp2p.wire import varint
from tests.rigs.libp2p.nodes import PATIENCE, nodes, until

TOPIC = "/llp/topic"


def everything(_: bytes) -> bool:
    return True


async def test_a_message_goes_over_a_peer_in_between_and_what_nobody_wants_goes_nowhere() -> None:
    async with nodes(3) as (first, middle, last):
        for one in (first, middle, last):
            one.pubsub.subscribe(TOPIC, everything)
        await first.meet(middle)
        await last.meet(middle)
        await until(lambda: middle.pubsub.mesh(TOPIC) == {first.peer, last.peer} and first.pubsub.mesh(TOPIC))
        assert first.pubsub.publish(TOPIC, b"hello") == 1
        assert first.pubsub.publish("/other", b"hello") == 0
        await until(lambda: (TOPIC, b"hello") in last.heard)
        last.pubsub.unsubscribe(TOPIC)
        await until(lambda: middle.pubsub.mesh(TOPIC) == {first.peer})


async def test_a_spammer_is_cut_off() -> None:
    async with nodes(2) as (spammer, node):
        node.pubsub.subscribe(TOPIC, everything)
        await spammer.meet(node)
        stream, _ = await spammer.host.open(node.peer, (), (PROTOCOL,))
        await until(lambda: spammer.peer in node.router._peers)
        forged = messages.signed(spammer.host.own, TOPIC, b"data", 1)._replace(signature=bytes(64))
        await stream.write(varint.framed(messages.write(Rpc(messages=(forged,) * 20))))
        await until(lambda: node.host.counted["gossip spam"] == 1 and not node.host.peers)


async def test_words_without_end_end_the_stream() -> None:
    async with nodes(2) as (babbler, node):
        node.pubsub.subscribe(TOPIC, everything)
        await babbler.meet(node)
        await until(lambda: babbler.peer in node.router._peers)
        stream, _ = await babbler.host.open(node.peer, (), (PROTOCOL,))
        message = messages.signed(babbler.host.own, TOPIC, bytes(10_000), 1)
        async with asyncio.timeout(PATIENCE):
            with suppress(OSError):
                while True:
                    await stream.write(varint.framed(messages.write(Rpc(messages=(message,) * 10))))
        assert node.host.counted["asks too fast"] == 1


async def test_nonsense_ends_the_stream_and_an_oversized_message_too() -> None:
    async with nodes(2) as (one, two):
        await one.meet(two)
        await until(lambda: one.peer in two.router._peers)
        for said, reason in ((varint.framed(b"\xff\xff"), "protobuf"), (varint.encode(10**8), "too long")):
            stream, _ = await one.host.open(two.peer, (), (PROTOCOL,))
            await stream.write(said)
            await until(lambda reason=reason: two.host.counted[reason])


async def test_for_a_peer_that_does_not_read_a_bounded_number_waits() -> None:
    async with nodes(2) as (reader, node):
        await reader.meet(node)
        await until(lambda: reader.peer in node.router._peers)
        node.router._peers[reader.peer].topics.add(TOPIC)
        there = reader.host.connection(node.peer)
        assert there is not None
        assert there._transport is not None
        there._transport.pause_reading()
        for _ in range(3000):
            node.pubsub.publish(TOPIC, bytes(16_000))
            await asyncio.sleep(0)
        assert node.pubsub._waiting[reader.peer].qsize() == MOST_WAITING
        assert node.host.counted["gossip unsent"] > 0


async def test_quiet_connections_stay_where_a_topic_is_shared_and_end_where_the_peer_is_silent() -> None:
    async with nodes(3) as (node, sharing, other):
        for one in (node, sharing):
            one.pubsub.subscribe(TOPIC, everything)
        await node.meet(sharing, other)
        await until(lambda: node.router.shares(sharing.peer))
        for one in list(node.host._all):
            node.host._judge_quiet(one, node.host.now())
        await until(lambda: node.host.peers == (sharing.peer,))
        kept = node.host.connection(sharing.peer)
        assert kept is not None
        kept.last_heard = node.host.now() - hosts.MOST_SILENT_SECONDS + 60
        node.host._judge_quiet(kept, node.host.now())
        await until(lambda: kept.last_heard > node.host.now() - 60)  # it answered that it is there
        kept.last_heard = node.host.now() - hosts.MOST_SILENT_SECONDS - 1
        node.host._judge_quiet(kept, node.host.now())
        await until(lambda: not node.host.peers)
        assert node.host.counted["silent"] == 1


async def test_a_peer_that_leaves_leaves_nothing_behind() -> None:
    async with nodes(2) as (node, leaving):
        await node.meet(leaving)
        await until(lambda: leaving.peer in node.router._peers)
        await leaving.host.close()
        await until(lambda: not node.host.peers)
        await until(lambda: {task.get_name() for task in node._tasks} == {"host", "pubsub"})
        assert not node.pubsub._waiting
        assert not node.router._peers
