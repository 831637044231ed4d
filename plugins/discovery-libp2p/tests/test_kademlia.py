"""A small Kademlia of our own peers on real sockets, and liars in it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import pairwise

import pytest

from appliance.api.values import Endpoint
from appliance_discovery_libp2p import clock, place
from appliance_discovery_libp2p.kad import messages
from appliance_discovery_libp2p.kad.messages import Message, Peer, Record, Type
from appliance_discovery_libp2p.net import kademlia as kademlias
from appliance_discovery_libp2p.net.streams import Stream
from appliance_discovery_libp2p.wire import varint
from appliance_discovery_libp2p.wire.keys import OwnKey
from appliance_discovery_libp2p.wire.multiaddr import Multiaddr
from tests.rigs.libp2p.nodes import PUBLIC, Node, nodes

IDENTITY = "llp1:" + "a" * 52


def record_of(node: Node) -> Record:
    return place.made(node.host.own, IDENTITY, [Endpoint("udp", "198.51.100.7", 8443)], clock.wall(), bytes(32))


async def test_a_record_and_a_provider_are_found_over_peers_in_between() -> None:
    async with nodes(8) as line:
        for one, other in pairwise(line):
            await one.meet(other)
        record = record_of(line[0])
        assert await line[0].kad.put_value(record) == 7
        assert await line[0].kad.provide(place.provided(IDENTITY)) == 7
        assert await line[7].kad.get_values(record.key) == [record.value]
        found = await line[7].kad.find_providers(place.provided(IDENTITY))
        assert found == [Peer(line[0].peer, line[0].host.announced)]


async def test_what_nobody_signed_is_kept_by_nobody_and_nobody_speaks_for_another() -> None:
    async with nodes(2) as (liar, honest):
        await liar.meet(honest)
        to = Peer(honest.peer, (honest.at,))
        forged = record_of(honest)
        with pytest.raises(kademlias.FAILURES):
            await liar.kad.ask(to, Message(Type.PUT_VALUE, forged.key, forged._replace(value=record_of(liar).value)))
        with pytest.raises(kademlias.FAILURES):
            await liar.kad.ask(to, Message(Type.PUT_VALUE, b"another key", forged))
        for_another = Message(Type.ADD_PROVIDER, b"key", providers=(Peer(honest.peer, honest.host.announced),))
        with pytest.raises(kademlias.FAILURES):
            await liar.kad.ask(to, for_another)
        assert (honest.kad.store.values, honest.kad.store.provided) == (0, 0)
        assert honest.host.counted["place"] == honest.host.counted["kad"] == honest.host.counted["provider"] == 1


async def test_a_peer_that_answers_nonsense_hides_nobody() -> None:
    async with nodes(4) as (looking, nonsense, endless, honest):

        async def says_nonsense(stream: Stream) -> None:
            await stream.write(varint.framed(b"\xff\xff\xff"))

        async def says_too_much(stream: Stream) -> None:
            await stream.write(varint.encode(2**40) + bytes(10_000))

        for liar, says in ((nonsense, says_nonsense), (endless, says_too_much)):
            liar.host.handle(PUBLIC, says)
        await looking.meet(nonsense, endless, honest)
        assert [peer.id for peer in await looking.kad.find_node(b"any")] == [honest.peer]
        assert len(looking.kad.table) == 1
        assert looking.host.counted["questions failed"] == 2


async def test_a_peer_that_answers_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kademlias, "QUESTION_SECONDS", 0.1)
    async with nodes(2) as (looking, silent):

        async def says_nothing(stream: Stream) -> None:
            await asyncio.sleep(600)

        silent.host.handle(PUBLIC, says_nothing)
        await looking.meet(silent)
        assert await looking.kad.find_node(b"any") == []
        assert looking.host.counted["questions failed"] == 1
        assert len(looking.kad.table) == 0


async def test_a_look_up_has_a_limit_of_time_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kademlias, "LOOKUP_SECONDS", 0.1)
    async with nodes(2) as (looking, silent):

        async def says_nothing(stream: Stream) -> None:
            await asyncio.sleep(60)

        silent.host.handle(PUBLIC, says_nothing)
        await looking.meet(silent)
        assert await looking.kad.find_node(b"any") == []
        assert looking.host.counted["lookup late"] == 1


async def test_who_is_not_called_at_the_address_that_it_names_is_not_asked() -> None:
    async with nodes(2) as (one, two):
        two.host.announced = (Multiaddr("127.0.0.2", 4001), Multiaddr("1.1.1.1", 4001))
        connection = await two.host.connect(one.peer, [one.at])
        await connection.known.wait()
        there = one.host.connection(two.peer)
        assert there is not None
        await there.known.wait()
        assert len(one.kad.table) == 0


async def test_many_questions_in_one_stream_are_answered_and_a_ping_too() -> None:
    async with nodes(2) as (one, two):
        await one.meet(two)
        stream, _ = await one.host.open(two.peer, (), (PUBLIC,))
        for kind in (Type.PING, Type.FIND_NODE, Type.GET_VALUE, Type.GET_PROVIDERS):
            await stream.write(varint.framed(messages.write(Message(kind, b"key"))))
            answer = await stream.read_message(messages.LONGEST)
            assert answer is not None
            assert messages.read(answer).type is kind
        stream.end()


async def test_questions_without_end_end_the_stream() -> None:
    async with nodes(2) as (one, two):
        await one.meet(two)
        stream, _ = await one.host.open(two.peer, (), (PUBLIC,))
        ping = varint.framed(messages.write(Message(Type.PING)))
        async with asyncio.timeout(60):
            with suppress(OSError):
                while True:
                    await stream.write(ping)
                    await stream.read_message(messages.LONGEST)
        assert two.host.counted["asks too fast"] == 1


async def test_a_peer_that_answers_no_questions_is_not_asked_any() -> None:
    async with nodes(1) as (server,):
        client = Node(99, PUBLIC)
        client.host._handlers.pop(PUBLIC)
        try:
            await client.meet(server)
            there = server.host.connection(client.peer)
            assert there is not None
            await there.known.wait()
            assert len(server.kad.table) == 0
            assert [peer.id for peer in await client.kad.find_node(b"any")] == [server.peer]
        finally:
            await client.close()
    assert OwnKey(bytes(32)).peer != client.peer
