"""Peers of ours on real sockets of this host, and strangers there who mean no good."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from appliance_discovery_libp2p.net import connection as connections
from appliance_discovery_libp2p.net import host as hosts
from appliance_discovery_libp2p.net.host import FAILURES
from appliance_discovery_libp2p.net.streams import Stream, StreamGone
from appliance_discovery_libp2p.wire import multistream, varint
from appliance_discovery_libp2p.wire.keys import OwnKey
from appliance_discovery_libp2p.wire.malformed import Malformed
from appliance_discovery_libp2p.wire.multiaddr import Multiaddr
from tests.rigs.libp2p.nodes import PATIENCE, Node, nodes, until


@pytest.fixture
async def pair() -> AsyncIterator[list[Node]]:
    async with nodes(2) as made:
        yield made


async def test_a_megabyte_goes_there_and_back(pair: list[Node]) -> None:
    caller, called = pair

    async def echo(stream: Stream) -> None:
        while data := await stream.read():
            await stream.write(data)

    called.host.handle("/echo", echo, PATIENCE)
    await caller.meet(called)
    stream, protocol = await caller.host.open(called.peer, (), ("/unknown", "/echo"))
    assert protocol == "/echo"
    sent = bytes(range(256)) * 4096

    async def send() -> None:
        await stream.write(sent)
        stream.end()

    async def receive() -> bytes:
        back = b""
        while data := await stream.read():
            back += data
        return back

    async with asyncio.timeout(PATIENCE):
        _, back = await asyncio.gather(send(), receive())
    assert back == sent
    there = called.host.connection(caller.peer)
    assert there is not None
    await until(lambda: stream.number not in there._streams)


async def test_two_that_call_each_other_at_once_have_a_connection_and_one_dial_serves_all(pair: list[Node]) -> None:
    one, two = pair
    await asyncio.gather(*[one.host.connect(two.peer, [two.at]) for _ in range(5)], two.host.connect(one.peer, [one.at]))
    await one.host.ping(two.peer, bytes(32))
    assert len(one.host._all) <= 2


async def test_nobody_else_is_taken_for_a_peer_and_addresses_that_fail_are_passed_over(pair: list[Node]) -> None:
    one, two = pair
    with pytest.raises(FAILURES):
        await one.host.connect(OwnKey(bytes([9]) * 32).peer, [two.at._replace(peer=None)])
    closed = Multiaddr("127.0.0.1", 1)
    await one.host.connect(two.peer, [closed, two.at])
    with pytest.raises(OSError):
        await one.host.connect(OwnKey(bytes([9]) * 32).peer, [])


async def test_a_node_does_not_talk_to_itself(pair: list[Node]) -> None:
    one, _ = pair
    with pytest.raises(OSError, match="ourselves"):
        await one.host.connect(one.peer, [one.at])
    with suppress(*FAILURES):
        await one.host.connect(None, [one.at._replace(peer=None)])
    await until(lambda: one.host.counted["ourselves"] and not one.host._all)


async def test_who_says_nothing_or_garbage_is_cut_off(pair: list[Node], monkeypatch: pytest.MonkeyPatch) -> None:
    node, _ = pair
    for said, seconds in ((b"\xff" * 100, 600.0), (b"", 0.1), (b"\x13/multi", 0.1)):
        monkeypatch.setattr(connections, "HANDSHAKE_SECONDS", seconds)
        reader, writer = await asyncio.open_connection("127.0.0.1", node.at.port)
        writer.write(said)
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                while await reader.read(1000):
                    pass
        writer.close()
    await until(lambda: not node.host._all)
    assert node.host.counted["handshake late"] == 2
    assert node.host.counted["varint"] == 1


async def test_callers_are_bounded_in_all_and_from_one_address(pair: list[Node], monkeypatch: pytest.MonkeyPatch) -> None:
    node, other = pair
    monkeypatch.setattr(hosts, "MOST_FROM_ONE", 3)
    opened = [await asyncio.open_connection("127.0.0.1", node.at.port) for _ in range(10)]
    await until(lambda: node.host.counted["connections from one"] == 7)
    assert len(node.host._all) == 3
    monkeypatch.setattr(hosts, "MOST_CALLERS", 0)
    with pytest.raises(FAILURES):
        await other.host.connect(node.peer, [node.at])
    monkeypatch.setattr(hosts, "MOST_CONNECTIONS", 0)
    with pytest.raises(OSError, match="too many"):
        await node.host.connect(other.peer, [other.at])
    for _, writer in opened:
        writer.close()


async def test_a_stream_whose_peer_is_slow_ends_and_the_connection_goes_on(
    pair: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, called = pair
    await caller.meet(called)
    monkeypatch.setattr(hosts, "NEGOTIATION_SECONDS", 0.1)
    connection = caller.host.connection(called.peer)
    assert connection is not None
    slow = Stream(connection, connection._session.mux.open())
    connection._streams[slow.number] = slow
    await slow.write(b"\x13/multi")
    async with asyncio.timeout(PATIENCE):
        with suppress(StreamGone):
            while True:
                await slow.read()
    assert called.host.counted["stream late"] >= 1
    monkeypatch.undo()
    await caller.host.ping(called.peer, bytes(32))


async def test_a_handler_has_its_time_and_no_more(pair: list[Node]) -> None:
    caller, called = pair

    async def waits(stream: Stream) -> None:
        await stream.read()

    called.host.handle("/waits", waits, 0.1)
    await caller.meet(called)
    stream, _ = await caller.host.open(called.peer, (), ("/waits",))
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(StreamGone):
            await stream.read()
    assert called.host.counted["stream late"] == 1


async def test_a_flood_of_streams_ends_the_connection_and_nothing_else(pair: list[Node]) -> None:
    flooder, flooded = pair
    await flooder.meet(flooded)
    connection = flooder.host.connection(flooded.peer)
    assert connection is not None
    for _ in range(2000):
        number = connection._session.mux.open()
        connection._session.mux.reset(number)
    connection._flush()
    await until(lambda: flooded.host.counted["asks too fast"])
    await until(lambda: not flooder.host.peers)
    await flooder.meet(flooded)
    await flooder.host.ping(flooded.peer, bytes(32))


async def test_pings_without_end_are_answered_for_a_while(pair: list[Node]) -> None:
    caller, called = pair
    await caller.meet(called)
    stream, _ = await caller.host.open(called.peer, (), ("/ipfs/ping/1.0.0",))
    async with asyncio.timeout(PATIENCE):
        with suppress(StreamGone):
            while True:
                await stream.write(bytes(32))
                await stream.read()
    assert called.host.counted["asks too fast"] == 1


async def test_callers_that_come_and_go_too_fast_wait(pair: list[Node], monkeypatch: pytest.MonkeyPatch) -> None:
    node, other = pair
    monkeypatch.setattr(hosts, "CALLERS_PER_SECOND", 0)
    node.host._allowance = 3.0
    for _ in range(10):
        _, writer = await asyncio.open_connection("127.0.0.1", node.at.port)
        writer.close()
    await until(lambda: node.host.counted["connections too fast"] == 7)
    assert node.host._allowance == 0, "who is turned away keeps nobody out later"
    monkeypatch.setattr(hosts, "CALLERS_PER_SECOND", 20)
    monkeypatch.setattr(hosts, "TURN_SECONDS", 0.1)
    node.spawn(node.host.run(), "quick")
    await until(lambda: node.host._allowance > 1)
    await other.meet(node)


async def test_a_peer_that_never_reads_is_not_answered_without_end(pair: list[Node]) -> None:
    greedy, answering = pair
    await greedy.meet(answering)
    connection = greedy.host.connection(answering.peer)
    assert connection is not None
    assert connection._transport is not None
    connection._bytes = -math.inf  # it reads no more
    connection._transport.set_write_buffer_limits(high=10**9)  # and writes on
    connection._transport.pause_reading()
    there = answering.host.connection(greedy.peer)
    assert there is not None
    assert there._transport is not None
    there._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    async with asyncio.timeout(PATIENCE):
        while there._drained.is_set():
            if connection._transport.get_write_buffer_size() < 100_000:
                connection._session.mux.out += (b"\0\2\0\1" + bytes(8)) * 5000  # yamux pings, which want answers
                connection._flush()
            await asyncio.sleep(0)
    assert not there._transport.is_reading()
    assert there._transport.get_write_buffer_size() < 128 * 1024
    connection._bytes = 0.0
    connection._read_on()
    await until(there._drained.is_set)


async def test_idle_connections_end(pair: list[Node], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(hosts, "TURN_SECONDS", 0.01)
    one, two = pair
    one.spawn(one.host.run(), "quick")
    await one.meet(two)
    await until(lambda: not one.host._all and not two.host._all)
    assert not two.host.counted["silent"]


async def test_a_connection_that_nobody_used_lately_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "MOST_CONNECTIONS", 1)
    async with nodes(3) as (one, two, three):
        await one.meet(two)
        with pytest.raises(OSError, match="too many"):
            await one.host.connect(three.peer, [three.at])
        monkeypatch.setattr(hosts, "LATELY_SECONDS", -1.0)
        await one.host.connect(three.peer, [three.at])
        await until(lambda: one.host.peers == (three.peer,))


async def test_identify_may_be_pushed_and_nonsense_in_it_is_counted(pair: list[Node]) -> None:
    one, two = pair
    heard = []
    two.host.identified.append(lambda connection, identity: heard.append(identity.protocols))
    await one.meet(two)
    stream, _ = await one.host.open(two.peer, (), ("/ipfs/id/push/1.0.0",))
    await stream.write(varint.framed(b"\x1a\x03/me"))
    await until(lambda: frozenset({"/me"}) in heard)
    stream, _ = await one.host.open(two.peer, (), ("/ipfs/id/push/1.0.0",))
    await stream.write(varint.framed(b"\xff\xff"))
    await until(lambda: two.host.counted["protobuf"])
    stream, _ = await one.host.open(two.peer, (), ("/ipfs/id/push/1.0.0",))
    await stream.write(varint.encode(10**9))
    await until(lambda: two.host.counted["too long"])


async def test_who_is_connected_is_told_of_other_addresses_once(pair: list[Node]) -> None:
    one, two = pair
    heard = []
    await one.meet(two)
    two.host.identified.append(lambda connection, identity: heard.append(identity.addresses))
    moved = (Multiaddr("198.51.100.7", 4001),)
    one.host.announce(moved)
    one.host.announce(moved)
    await until(lambda: moved in heard)
    await one.host.ping(two.peer, bytes(32))
    assert heard.count(moved) == 1


async def test_a_protocol_that_nobody_speaks_is_refused(pair: list[Node]) -> None:
    one, two = pair
    await one.meet(two)
    with pytest.raises(Malformed, match="no common protocol"):
        await one.host.open(two.peer, (), ("/unknown",))
    assert multistream.MOST_PROPOSALS > 1
    await two.host.close()
    await until(lambda: not one.host.peers)
    with pytest.raises(FAILURES):
        await one.host.ping(two.peer, bytes(32))


async def test_bytes_without_end_are_read_slowly(pair: list[Node], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BYTES_AT_ONCE", 100_000)
    monkeypatch.setattr(connections, "BYTES_PER_SECOND", 0)
    flooder, node = pair
    await flooder.meet(node)
    connection, there = flooder.host.connection(node.peer), node.host.connection(flooder.peer)
    assert connection is not None
    assert there is not None
    assert there._transport is not None
    for _ in range(100):
        connection._session.mux.out += b"\0\0\0\0\0\0\x27\x0f\0\0\x80\0" + bytes(32768)  # of a stream that is not there
        connection._flush()
    await until(lambda: there._bytes < 0)
    assert not there._transport.is_reading()
    there.resume_writing()
    assert not there._transport.is_reading()
    monkeypatch.setattr(connections, "BYTES_PER_SECOND", 10**9)
    monkeypatch.setattr(connections, "BYTES_AT_ONCE", 10**9)
    there.refill(1.0)
    await flooder.host.ping(node.peer, bytes(32))


async def test_a_caller_that_is_gone_before_it_is_accepted_ends_nothing_else(pair: list[Node]) -> None:
    node, other = pair

    class Gone(asyncio.Transport):
        aborted = False

        def get_extra_info(self, name: str, default: object = None) -> None:
            return None

        def abort(self) -> None:
            self.aborted = True

    connection, transport = node.host._called(), Gone()
    connection.connection_made(transport)
    assert transport.aborted
    connection.connection_lost(None)
    assert node.host.counted["gone at once"] == 1
    await other.meet(node)
