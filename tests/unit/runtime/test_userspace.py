"""Two endpoints with one pair between them instead of two nodes: what their applications see is what kernel sockets show."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import AsyncIterator, Callable
from ipaddress import IPv4Address, ip_address, ip_interface
from pathlib import Path

import pytest

from appliance.errors import HostError
from appliance.linux.connections import Far
from appliance.linux.unread import unread_bytes
from appliance.runtime.userspace.devices import UserspaceConnections
from appliance.runtime.userspace.endpoint import Endpoint
from appliance.runtime.userspace.pair import StreamPair
from appliance.runtime.userspace.sockets import UserspaceSockets
from appliance.sdk.sockets import abort
from appliance.worker import pairs

A, B = IPv4Address("10.8.0.1"), IPv4Address("10.8.0.2")
PORT = 842
SECONDS = 60.0


class Two:
    """Sockets of a and b; `came` are the connections that b's application got."""

    def __init__(self) -> None:
        ends = pairs.pair()
        self.endpoints = [Endpoint([ip_interface(f"{address}/24")], 1400) for address in (A, B)]
        for endpoint, end in zip(self.endpoints, ends, strict=True):
            endpoint.use_device(end)
        self.a, self.b = (UserspaceSockets(endpoint) for endpoint in self.endpoints)
        self.came: asyncio.Queue[socket.socket] = asyncio.Queue()
        self.sources: list[object] = []
        self.listening = self.b.listen(PORT, self._taken)

    def _taken(self, came: socket.socket, source: object) -> None:
        self.sources.append(source)
        self.came.put_nowait(came)

    async def joined(self) -> tuple[socket.socket, socket.socket]:
        return await self.a.connect(B, PORT), await self.came.get()


@contextlib.asynccontextmanager
async def two() -> AsyncIterator[Two]:
    before = descriptors()
    made = Two()
    try:
        async with asyncio.timeout(SECONDS):
            yield made
    finally:
        for endpoint in made.endpoints:
            endpoint.end()
            endpoint.leave_device()
    assert descriptors() == before, "nothing is left open"


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def recv(stream: socket.socket, size: int = 65536) -> bytes:
    return await asyncio.get_running_loop().sock_recv(stream, size)


async def send(stream: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(stream, data)


async def until(holds: Callable[[], object]) -> None:
    while not holds():  # noqa: ASYNC110  what is waited for happens in sockets
        await asyncio.sleep(0)


async def everything(stream: socket.socket) -> bytes:
    found = bytearray()
    while piece := await recv(stream):
        found += piece
    return bytes(found)


async def test_bytes_go_both_ways_and_each_side_ends_on_its_own() -> None:
    data = os.urandom(3_000_000)
    async with two() as there:
        one, other = await there.joined()
        with one, other:
            assert there.sources[0][0] == A
            sending = asyncio.create_task(send(one, data))
            found = bytearray()
            while len(found) < len(data):
                found += await recv(other)
            await sending
            assert bytes(found) == data
            one.shutdown(socket.SHUT_WR)
            assert await recv(other) == b""
            await send(other, b"still here")
            assert await recv(one) == b"still here"
            other.close()
            assert await recv(one) == b""


async def test_a_writer_waits_for_a_reader() -> None:
    async with two() as there:
        one, other = await there.joined()
        with one, other:
            sending = asyncio.create_task(send(one, bytes(20_000_000)))
            await until(lambda: there.endpoints[1].figures()["memory"] >= 900_000)
            assert not sending.done()
            sending.cancel()
            await asyncio.wait([sending])
            await until(lambda: there.endpoints[0].figures()["memory"] <= 130_000)  # the rest was acknowledged


async def test_many_small_writes_arrive_in_order() -> None:
    async with two() as there:
        one, other = await there.joined()
        with one, other:
            for number in range(3000):
                await send(one, number.to_bytes(2, "big"))
                if number % 100 == 0:
                    await asyncio.sleep(0)
            one.shutdown(socket.SHUT_WR)
            assert await everything(other) == b"".join(number.to_bytes(2, "big") for number in range(3000))


@pytest.mark.parametrize("wrote", [b"", b"x", bytes(100_000)])
async def test_a_peer_that_breaks_it_off_is_told_from_one_that_ends(wrote: bytes) -> None:
    async with two() as there:
        one, other = await there.joined()
        with one, other:
            if wrote:
                await send(one, wrote)
                assert len(await recv(other)) > 0
            await send(one, b"unread")
            await until(lambda: unread_bytes(other.fileno()))
            other.close()  # with something unread, so that it is a reset, as with the kernel's sockets
            with pytest.raises(ConnectionResetError):
                await everything(one)


@pytest.mark.parametrize("wrote", [b"", b"x", bytes(50_000)])
async def test_an_application_of_the_sdk_may_break_it_off(wrote: bytes) -> None:
    async with two() as there:
        one, other = await there.joined()
        with one, other:
            if wrote:
                await send(one, wrote)
            abort(one)
            one.close()
            with pytest.raises(ConnectionResetError):
                await everything(other)


async def test_what_is_sent_to_nobody_breaks_the_pipe() -> None:
    async with two() as there:
        one, other = await there.joined()
        with one:
            other.close()
            with pytest.raises((BrokenPipeError, ConnectionResetError)):
                await _for_ever(one)


async def _for_ever(stream: socket.socket) -> None:
    while True:
        await send(stream, b"anybody?")
        await asyncio.sleep(0)


async def test_a_descriptor_outlives_whoever_made_it() -> None:
    async with two() as there:
        one, other = await there.joined()
        with one, other, socket.socket(fileno=os.dup(one.fileno())) as twin:
            one.close()
            twin.settimeout(0)
            await send(twin, b"hello")
            assert await recv(other) == b"hello"


async def test_a_closed_port_refuses_and_a_taken_one_is_said() -> None:
    async with two() as there:
        with pytest.raises(ConnectionRefusedError):
            await there.a.connect(B, 1)
        with pytest.raises(HostError, match="842"):
            there.b.listen(PORT, lambda came, _source: came.close())
        there.listening.close()
        with pytest.raises(ConnectionRefusedError):
            await there.a.connect(B, PORT)
        with pytest.raises(OSError, match="IPv6") as raised:
            await there.a.connect(ip_address("fd00::1"), PORT)
        assert raised.value.errno == errno.EADDRNOTAVAIL


async def test_who_gives_up_connecting_leaves_nothing() -> None:
    async with two() as there:
        calling = asyncio.create_task(there.a.connect(IPv4Address("10.8.0.77"), PORT))
        await asyncio.sleep(0)
        assert there.endpoints[0].figures()["connections"] == 1
        calling.cancel()
        await asyncio.wait([calling])
        await until(lambda: not there.endpoints[0].figures()["connections"])


async def test_datagrams_keep_their_borders() -> None:
    async with two() as there:
        served = there.endpoints[1].stack.open_udp(53)
        asking = await there.a.connect(B, 53, datagrams=True)
        with asking:
            for data in (b"question", b"", bytes(60_000)):
                asking.send(data)
            await until(lambda: len(served.received) == 3)
            found = [served.pop() for _ in range(3)]
            assert [len(each.data) for each in found] == [8, 0, 60_000]
            there.endpoints[1].stack.send_datagram(served, found[0].source, found[0].source_port, b"answer")
            there.endpoints[1]._turn()
            assert await recv(asking) == b"answer"
        there.endpoints[1].stack.close_udp(served)
        await until(lambda: not there.endpoints[0]._ports)


async def test_a_caller_of_datagrams_gets_a_socket_of_its_own() -> None:
    async with two() as there:
        heard: list[tuple[bytes, object, object]] = []
        ears = there.b.hear(PORT, lambda *said: heard.append(said))
        callers = [await there.a.connect(B, PORT, datagrams=True) for _ in range(2)]
        with callers[0], callers[1]:
            for number, caller in enumerate(callers):
                caller.send(b"question %d" % number)
            await until(lambda: len(heard) == 2)
            data, at, source = heard[0]
            assert (data, at) == (b"question 0", B)
            with there.b.answering(B, PORT, source) as answering:
                ears.send(b"not yet", B, heard[1][2])
                assert await recv(callers[1]) == b"not yet"
                answering.send(b"answer")
                assert await recv(callers[0]) == b"answer"
                callers[0].send(b"more")
                callers[1].send(b"more")
                assert await recv(answering) == b"more"
                await until(lambda: len(heard) == 3)
                with pytest.raises(OSError, match="taken"):
                    there.b.answering(B, PORT, source)
            with pytest.raises(HostError, match="842"):
                there.b.hear(PORT, lambda *_said: None)
            ears.close()
        await until(lambda: not there.endpoints[0]._ports and not there.endpoints[1]._ports)


async def test_what_is_not_allowed_any_more_is_ended_and_nothing_else() -> None:
    async with two() as there:
        one, other = await there.joined()
        going_on, _ = pair = await there.joined()
        connections = UserspaceConnections(there.endpoints[1])
        far = {Far(source[0], source[1], datagrams=False) for source in there.sources}
        there_are = connections.at_port(PORT)
        assert set(there_are) == far
        assert not connections.at_port(PORT + 1)
        first = there_are[Far(*there.sources[0], datagrams=False)]
        with one, other, pair[0], pair[1]:
            assert connections.end([first]) == (1, 0)
            for each in (one, other):
                with pytest.raises(ConnectionResetError):
                    await everything(each)
            await send(going_on, b"still")
            assert await recv(pair[1]) == b"still"
            assert len(connections.at_port(PORT)) == 1


async def test_connections_by_the_hundred_leave_nothing() -> None:
    async with two() as there:
        for _ in range(5):
            ones = await asyncio.gather(*(there.a.connect(B, PORT) for _ in range(100)))
            others = [await there.came.get() for _ in ones]
            for one in ones:
                await send(one, b"ping")
            for other in others:
                assert await recv(other) == b"ping"
            for each in (*ones, *others):
                each.close()
        await until(lambda: not any(endpoint._open for endpoint in there.endpoints))
        for endpoint in there.endpoints:
            assert endpoint.figures()["memory"] == 0


async def test_the_end_of_the_node_resets_its_streams() -> None:
    async with two() as there:
        one, other = await there.joined()
        with one, other:
            ended = there.endpoints.pop(0)
            ended.end()
            ended.leave_device()
            for each in (one, other):
                with pytest.raises(ConnectionResetError):
                    await everything(each)


def test_a_pair_shows_a_reset_only_where_there_is_one() -> None:
    for reset in (True, False):
        for written in (b"", b"abc"):
            pair = StreamPair()
            with pair.theirs:
                if written:
                    pair.theirs.send(written)
                assert pair.read(2) + pair.read(2) == written
                assert pair.read(100) == b""
                pair.close(reset=reset)
                if reset:
                    with pytest.raises(ConnectionResetError):
                        pair.theirs.recv(1)
                else:
                    assert pair.theirs.recv(1) == b""


def test_a_pair_takes_all_that_is_written_in_any_portions() -> None:
    data = os.urandom(500_000)
    pair = StreamPair()
    found, left, portion = bytearray(), memoryview(data), 1
    with pair.theirs:
        while len(found) < len(data):
            with contextlib.suppress(BlockingIOError):
                left = left[pair.theirs.send(left) :] if left else left
            portion = portion * 7 % 65521
            found += pair.read(portion)
        assert bytes(found) == data
        pair.close(reset=False)
