"""Bytes through data channels, both ways through two real workers."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from itertools import count

import pytest
from rigs.packets import udp4
from rigs.workers import INSIDE, SESSION, Side, joined, until

from appliance.errors import HostError
from appliance.foundation import clock
from appliance.runtime.workers.data_channels import MOST_OF_A_PEER, DataChannels, channel_pair
from appliance.wire.envelope import PacketType

LARGEST = 65535 - 16
"""Bytes of a body under AES-256-GCM."""
OPENINGS: Iterator[int] = count(1)


class Pipe:
    """A channel of one side, as whoever opened it has it."""

    def __init__(self, side: Side, number: int, peer: str) -> None:
        self.side, self.number, self.peer = side, number, peer
        self.opening = next(OPENINGS)
        ours, self.end = channel_pair()
        with ours:
            ours.settimeout(0)
            side.worker.open_channel(peer, number, self.opening, ours)
        self.end.settimeout(0)

    async def send(self, *bodies: bytes) -> None:
        for body in bodies:
            await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(self.end, body), 60)

    async def receive(self) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.end, 70000), 60)


def told(story: Callable[[Side, Side], Awaitable[None]], *, stream: bool = False) -> None:
    async def run() -> None:
        async with joined(stream=stream) as sides:
            await story(*sides)

    asyncio.run(run())


async def pipes(a: Side, b: Side, number: int = 7) -> tuple[Pipe, Pipe]:
    """The channel of that number, open on both sides."""
    both = Pipe(a, number, "b"), Pipe(b, number, "a")
    await a.obeyed()
    await b.obeyed()
    return both


def test_a_message_is_the_body_of_one_record_in_either_direction() -> None:
    async def story(a: Side, b: Side) -> None:
        for number in (2, 255):
            here, there = await pipes(a, b, number)
            for body in (b"x", bytes(1200), bytes(range(256)) * 200, bytes(LARGEST)):
                await here.send(body)
                await there.send(body[::-1])
                assert await there.receive() == body
                assert await here.receive() == body[::-1]
        for side in (a, b):
            await side.obeyed()  # it counts what it has handed over, and obeys then
            assert side.worker.channels() == (8, 2 * (1 + 1200 + 51200 + LARGEST)) * 2
            assert side.worker.drops() == {}

    told(story)


def test_packets_go_on_beside_it_and_are_counted_apart() -> None:
    async def story(a: Side, b: Side) -> None:
        here, there = await pipes(a, b)
        await here.send(bytes(5000))
        await a.send(udp4(700))
        assert await b.receive() == udp4(700)
        assert await there.receive() == bytes(5000)
        await a.obeyed()
        counters = a.worker.session_counters(SESSION)
        assert counters is not None
        assert (counters.tx_packets, counters.tx_bytes, counters.tx_records) == (1, 728, 2)

    told(story)


def test_what_nobody_has_open_is_counted_and_answered_by_nothing() -> None:
    async def story(a: Side, b: Side) -> None:
        here = Pipe(a, 9, "b")
        await here.send(b"for nobody")
        await until(lambda: b.worker.drops() == {"no_channel": 1})
        await b.obeyed()
        assert b.worker.records(SESSION) == (1, 0)
        assert b.listener.heard.empty(), "and the control process is not troubled"

    told(story)


def test_bodies_of_no_bytes_and_of_too_many_go_nowhere_and_end_nothing() -> None:
    async def story(a: Side, b: Side) -> None:
        here, there = await pipes(a, b)
        await here.send(b"", bytes(LARGEST + 1), bytes(70000), b"after")
        assert await there.receive() == b"after"
        assert a.worker.drops() == {"malformed": 1, "oversized": 2}

    told(story)


def test_a_record_of_no_bytes_from_a_peer_does_not_look_like_the_end() -> None:
    async def story(a: Side, b: Side) -> None:
        here, there = await pipes(a, b)
        a.worker.send_message(SESSION, PacketType.DATA, here.number, b"")
        a.worker.send_message(SESSION, PacketType.DATA, here.number, b"after")
        assert await there.receive() == b"after"
        assert b.worker.drops() == {"malformed": 1}

    told(story)


def test_a_reader_that_does_not_keep_up_loses_what_is_for_it_and_nobody_else() -> None:
    async def story(a: Side, b: Side) -> None:
        slow, _unread = await pipes(a, b, 7)
        quick, read = await pipes(a, b, 8)
        while not b.worker.drops().get("channel_full"):
            await slow.send(bytes(60000))
            await b.obeyed()
        await quick.send(b"quick")
        assert await read.receive() == b"quick"
        await a.send(udp4(700))
        assert await b.receive() == udp4(700)

    told(story)


def test_a_channel_stays_when_its_peer_gets_new_keys() -> None:
    async def story(a: Side, b: Side) -> None:
        here, there = await pipes(a, b)
        for number in range(SESSION + 10, SESSION + 13):
            await here.send(b"before %d" % number)
            for side, peer in ((b, "a"), (a, "b")):
                side.install(peer, number)
                await side.obeyed()
            for side in (a, b):
                side.worker.stop_sending(number - 1 if number > SESSION + 10 else SESSION)
            await here.send(b"after %d" % number)
            assert await there.receive() == b"before %d" % number
            assert await there.receive() == b"after %d" % number
        assert b.worker.drops() == {}

    told(story)


def test_without_a_session_messages_wait_and_ask_for_one() -> None:
    async def story(a: Side, b: Side) -> None:
        here, there = await pipes(a, b)
        a.worker.stop_sending(SESSION)
        await a.obeyed()
        await here.send(b"first", b"second")
        assert await a.listener.next("on_want") == ("b",)
        a.worker.move_session(SESSION, link=1, to=None)
        assert await there.receive() == b"first"
        assert await there.receive() == b"second"

    told(story)


def test_a_writer_is_held_back_while_nothing_can_be_sent() -> None:
    async def story(a: Side, b: Side) -> None:
        here, there = await pipes(a, b)
        a.worker.stop_sending(SESSION)
        await a.obeyed()
        here.end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10000)  # few enough for loopback to take them at once
        sent = 0
        while takes(here.end, bytes([sent]) * 1000):
            sent += 1
        assert 3 < sent < 50
        a.worker.move_session(SESSION, link=1, to=None)
        for number in range(sent):
            assert await there.receive() == bytes([number]) * 1000
        assert a.worker.drops() == b.worker.drops() == {}

    told(story)


def test_a_writer_is_held_back_while_the_link_is_full_and_goes_on_after_that() -> None:
    async def story(a: Side, b: Side) -> None:
        here, _unread = await pipes(a, b)
        os.kill(b.worker.pid, signal.SIGSTOP)
        try:
            sent = 0
            while await taken(here.end, bytes(60_000)):
                sent += 1
        finally:
            os.kill(b.worker.pid, signal.SIGCONT)
        assert sent > 10, "what the kernel and the driver keep"
        await until(lambda: b.worker.channels().rx_records + b.worker.drops().get("channel_full", 0) == sent)
        assert a.worker.drops() == {}
        assert a.worker.channels().tx_records == sent

    told(story, stream=True)


async def taken(end: socket.socket, body: bytes) -> bool:
    """Does the other side take that within a moment?"""
    try:
        await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(end, body), 0.3)
    except TimeoutError:
        return False
    return True


def takes(end: socket.socket, body: bytes) -> bool:
    try:
        return end.send(body) == len(body)
    except BlockingIOError:
        return False


@pytest.mark.parametrize("unread", [False, True])
def test_what_was_written_before_the_end_is_sent_and_the_control_process_hears_of_it(unread: bool) -> None:
    async def story(a: Side, b: Side) -> None:
        here, there = await pipes(a, b)
        if unread:
            await there.send(b"never read")
            await until(lambda: a.worker.channels()[0] == 1)
        await here.send(*(b"%d" % number for number in range(50)))
        here.end.close()
        assert [await there.receive() for _ in range(50)] == [b"%d" % number for number in range(50)]
        assert await a.listener.next("on_channel_closed") == ("b", here.number, here.opening)
        await there.send(b"too late")
        await until(lambda: a.worker.drops() == {"no_channel": 1})

    told(story)


def test_the_end_is_heard_of_without_a_session_too() -> None:
    async def story(a: Side, b: Side) -> None:
        here, there = await pipes(a, b)
        a.worker.stop_sending(SESSION)
        idle = Pipe(a, 8, "b")
        idle.end.close()
        assert await a.listener.next("on_channel_closed") == ("b", 8, idle.opening)
        await here.send(b"waits")
        assert await a.listener.next("on_want") == ("b",)
        here.end.close()
        await a.obeyed()
        a.worker.move_session(SESSION, link=1, to=None)
        assert await there.receive() == b"waits"
        assert await a.listener.next("on_channel_closed") == ("b", here.number, here.opening)

    told(story)


def test_a_peers_rate_is_for_its_channels_too() -> None:
    async def story(a: Side, b: Side) -> None:
        here, there = await pipes(a, b)
        a.worker.put_peers([("b", [INSIDE["b"]], 1_000_000)])
        began = clock.monotonic()
        sending = asyncio.create_task(here.send(*[bytes(10_000)] * 40))
        for _ in range(40):
            assert await there.receive() == bytes(10_000)
        await sending
        assert clock.monotonic() - began > 0.35, "400,000 bytes, of which 26,000 may go at once"

    told(story)


def test_a_channel_that_is_closed_ends_for_whoever_has_it() -> None:
    async def story(a: Side, b: Side) -> None:
        here, there = await pipes(a, b)
        a.worker.close_channel("b", here.number)
        assert await here.receive() == b""
        a.worker.close_channel("b", 99)
        again = Pipe(a, here.number, "b")
        await again.send(b"again")
        assert await there.receive() == b"again"

    told(story)


def test_the_channels_of_a_peer_that_is_somebody_else_now_end() -> None:
    async def story(a: Side, b: Side) -> None:
        here, _ = await pipes(a, b)
        a.worker.renew_peers(["b", "nobody"])
        assert await here.receive() == b""
        assert await a.listener.next("on_channel_closed") == ("b", here.number, here.opening)

    told(story)


def test_the_channels_of_a_peer_that_is_no_more_end() -> None:
    async def story(a: Side, b: Side) -> None:
        here, _ = await pipes(a, b)
        a.worker.drop_peers(["b"])
        assert await here.receive() == b""
        assert await a.listener.next("on_channel_closed") == ("b", here.number, here.opening)
        late = Pipe(a, 8, "b")
        assert await late.receive() == b""
        assert await a.listener.next("on_channel_closed") == ("b", 8, late.opening)

    told(story)


class Told:
    """A worker that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def open_channel(self, peer: str, channel: int, opening: int, _end: socket.socket, *_wishes: object, **_more: object) -> None:
        self.told.append(("open", peer, channel, opening))

    def close_channel(self, peer: str, channel: int) -> None:
        self.told.append(("close", peer, channel))


def test_every_worker_has_every_channel_also_one_that_comes_later() -> None:
    channels, first, later = DataChannels(), Told(), Told()
    ours, theirs = channel_pair()
    with theirs:
        channels.open("b", 7, ours, [first])  # type: ignore[list-item]
        channels.tell(later)  # type: ignore[arg-type]
        assert first.told == later.told == [("open", "b", 7, 1)]
        channels.closed("b", 7, 0, [first])  # type: ignore[list-item]
        assert len(first.told) == 1, "word of an earlier one"
        channels.closed("b", 7, 1, [first, later])  # type: ignore[list-item]
        assert first.told[1:] == later.told[1:] == [("close", "b", 7)]
        assert theirs.recv(1) == b""


def test_channels_are_bounded_and_one_number_is_one_channel() -> None:
    channels = DataChannels()
    kept = []
    for number in range(2, 2 + MOST_OF_A_PEER):
        ours, theirs = channel_pair()
        channels.open("b", number, ours, [])
        kept.append(theirs)
    ours, theirs = channel_pair()
    with ours, theirs:
        for number, why in ((200, "too many"), (2, "open already"), (1, "no data channel"), (256, "no data channel")):
            with pytest.raises(HostError, match=why):
                channels.open("b", number, ours, [])
        channels.close("b", 2, [])
        channels.open("b", 200, ours, [])
        channels.close_all()
        assert all(end.recv(1) == b"" for end in kept)
    for end in kept:
        end.close()
