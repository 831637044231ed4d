"""A connection over a real pair of sockets: deadlines, three ways to end, and nothing lost by cancelling."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator

import pytest

from appliance.sdk.connection import Connection
from appliance.sdk.errors import ConnectionLost, DeadlineExceeded

MORE_THAN_THE_KERNEL_TAKES = bytes(32 << 20)
Pair = tuple[Connection, Connection]


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = socket.create_connection(listener.getsockname())
        there, _ = listener.accept()
    for each in (here, there):
        each.settimeout(0)
    return here, there


@pytest.fixture(params=["tcp", "unix"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """As the kernel gives it, and as an endpoint without a kernel's TCP does."""
    sockets = tcp_pair() if request.param == "tcp" else socket.socketpair()
    for each in sockets:
        each.settimeout(0)
    here, there = (Connection(each, {"peer": name}) for each, name in zip(sockets, ("left", "right"), strict=True))
    yield here, there
    here.reset()
    there.reset()


async def test_bytes_come_as_they_were_sent(pair: Pair) -> None:
    here, there = pair
    data = random.Random(1).randbytes(3 << 20)

    async def send() -> None:
        await here.write(data)
        await here.close_write()

    sending, found = asyncio.create_task(send()), bytearray()
    while piece := await there.read():
        found += piece
    await sending
    assert bytes(found) == data
    assert (here.metrics().bytes_sent, there.metrics().bytes_received) == (len(data), len(data))
    await there.write(b"still")
    assert await here.readexactly(5) == b"still"


async def test_readinto_fills_what_it_is_given(pair: Pair) -> None:
    here, there = pair
    await here.write(memoryview(b"abcdef"))
    buffer = bytearray(4)
    assert await there.readinto(buffer) == 4
    assert bytes(buffer) == b"abcd"
    assert await there.readinto(memoryview(buffer)[1:]) == 2
    assert bytes(buffer) == b"aefd"


async def test_a_deadline_ends_what_waits_already_and_a_later_one_lets_it_go_on(pair: Pair) -> None:
    here, there = pair
    reading = asyncio.create_task(here.read())
    await asyncio.sleep(0)
    here.set_read_deadline(0.001)
    with pytest.raises(DeadlineExceeded) as late:
        await reading
    assert late.value.retryable
    assert isinstance(late.value, TimeoutError)
    await there.write(b"x")
    with pytest.raises(DeadlineExceeded):
        await here.read()
    here.set_read_deadline(60)
    assert await here.read() == b"x"
    assert here.metrics().errors == 2


async def test_each_direction_has_its_deadline(pair: Pair) -> None:
    here, there = pair
    here.set_write_deadline(0)
    with pytest.raises(DeadlineExceeded):
        await here.write(b"x")
    await there.write(b"y")
    assert await here.read() == b"y"
    here.set_deadline(0)
    with pytest.raises(DeadlineExceeded):
        await here.read()
    here.set_deadline(None)
    await here.write(b"x")
    assert await there.read() == b"x"


async def test_a_peer_that_never_reads_holds_the_writer_up_until_the_deadline(pair: Pair) -> None:
    here, there = pair
    here.set_write_deadline(0.3)
    with pytest.raises(DeadlineExceeded):
        await here.write(MORE_THAN_THE_KERNEL_TAKES)
    sent = here.metrics().bytes_sent
    assert sent < len(MORE_THAN_THE_KERNEL_TAKES)
    assert len(await there.readexactly(sent)) == sent


async def test_two_that_write_before_they_read_end_with_a_deadline(pair: Pair) -> None:
    for each in pair:
        each.set_deadline(0.3)
    ended = await asyncio.gather(*(each.write(MORE_THAN_THE_KERNEL_TAKES) for each in pair), return_exceptions=True)
    assert {type(each) for each in ended} == {DeadlineExceeded}


async def test_close_arrives_as_the_end_and_what_was_written_before_it_too(pair: Pair) -> None:
    here, there = pair
    await there.write(b"never read")
    await here.write(b"last words")
    await here.close()
    await here.close()
    assert await there.readexactly(10) == b"last words"
    assert await there.read() == b""
    with pytest.raises(ConnectionLost, match="by this program"):
        await here.read()


async def test_a_reset_is_an_error_at_the_other_side() -> None:
    here, there = (Connection(each, {}) for each in tcp_pair())
    reading = asyncio.create_task(there.read())
    await asyncio.sleep(0)
    here.reset()
    with pytest.raises(ConnectionLost, match="reset"):
        await reading
    with pytest.raises(ConnectionLost):
        await there.write(b"x")
    there.reset()


async def test_closing_ends_what_waits_here(pair: Pair) -> None:
    here, _ = pair
    reading = asyncio.create_task(here.read())
    writing = asyncio.create_task(here.write(MORE_THAN_THE_KERNEL_TAKES))
    await asyncio.sleep(0)
    await here.close()
    ended = await asyncio.gather(reading, writing, return_exceptions=True)
    assert {type(each) for each in ended} == {ConnectionLost}
    assert here.closed


async def test_the_end_in_the_middle_of_a_message_is_no_message(pair: Pair) -> None:
    here, there = pair
    await here.write(b"abc")
    await here.close()
    with pytest.raises(ConnectionLost, match="after 3 of 5 bytes"):
        await there.readexactly(5)


async def test_no_byte_is_lost_by_cancelling_at_random_moments(pair: Pair) -> None:
    here, there = pair
    chance, data = random.Random(5), bytes(range(256)) * 40
    found = bytearray()

    async def read() -> None:
        piece = await there.read(7)
        found.extend(piece)

    async def write() -> None:
        for at in range(0, len(data), 11):
            await here.write(data[at : at + 11])
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)

    writing = asyncio.create_task(write())
    async with asyncio.timeout(60):
        while len(found) < len(data):
            reading = asyncio.create_task(read())
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait([reading])
    await writing
    assert bytes(found) == data


async def test_one_that_always_has_more_does_not_keep_the_loop(pair: Pair) -> None:
    here, there = pair
    await here.write(b"x" * 1000)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    for _ in range(1000):
        await there.read(1)
    beside.cancel()
    assert turns > 10


async def test_it_is_fit_to_be_used_again_while_nothing_is_unread_and_nobody_went(pair: Pair) -> None:
    here, there = pair
    assert here.fit()
    await there.write(b"x")
    assert not here.fit()
    assert await here.read() == b"x"
    assert here.fit()
    await there.close()
    assert not here.fit()
    await here.close()
    assert not here.fit()


async def test_figures_of_the_kernel_are_told_where_there_are_some(pair: Pair) -> None:
    here, there = pair
    await here.write(b"x")
    await there.read()
    metrics = here.metrics()
    if here._stream.family == socket.AF_UNIX:
        assert metrics.rtt_ms is None
    else:
        assert metrics.rtt_ms is not None
        assert 0 < metrics.rtt_ms < 60_000
        assert metrics.packets_sent is not None
        assert metrics.packets_sent >= 2
        assert metrics.packets_sent_again == 0


async def test_a_socket_that_is_detached_is_the_programs_alone(pair: Pair) -> None:
    here, there = pair
    ended = []
    other = Connection(here.detach(), {}, ended.append)
    assert here.closed
    await other.write(b"x")
    assert await there.read() == b"x"
    await other.close()
    await other.close()
    other.reset()
    assert ended == [other]
