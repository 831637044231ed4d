"""Data channels between two whole nodes: over new keys, several workers and their deaths."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from itertools import count

import pytest
from rigs.packets import A4, B4, udp4
from rigs.two_nodes import Hostless, cross
from rigs.workers import until

from appliance.api.values import Endpoint
from appliance.errors import HostError
from appliance.foundation import clock
from appliance.protocol.identity import Identity
from appliance.protocol.session import SessionState
from appliance.runtime.workers.data_channels import channel_pair

CHANNEL = 7
SECONDS = 60.0
FIRST = b"0"
"""What `says` says with the number 0."""


def told(story: Callable[[Hostless, Hostless], Awaitable[None]], *, scheme: str = "udp", workers: int = 1) -> None:
    """Run a story of two nodes with so many workers each, which have a session."""

    async def run() -> None:
        first, second = Identity.generate(), Identity.generate()
        async with (
            asyncio.timeout(SECONDS),
            Hostless(1, first, second, [], [Endpoint(scheme, "127.0.0.1", 0)], workers=workers) as a,
            Hostless(2, second, first, list(a.node.transports.bound.values()), [], workers=workers) as b,
        ):
            assert await cross(b, a, [udp4(100, 0, B4, A4)]) == 1
            await story(a, b)

    asyncio.run(run())


def opened(node: Hostless, peer: str) -> socket.socket:
    ours, theirs = channel_pair()
    node.node.keeper.open_channel(peer, CHANNEL, ours)
    theirs.settimeout(0)
    return theirs


def lost(node: Hostless) -> dict[str, int]:
    """Messages of channels that a node had to drop."""
    return {reason: number for reason, number in node.node.keeper.drops().items() if reason in {"no_channel", "channel_full"}}


async def says(source: socket.socket, target: socket.socket, number: int) -> None:
    """A message arrives. Said again until it does, since datagrams may be lost, and with them what a dying worker had."""
    loop, body = asyncio.get_running_loop(), b"%d" % number
    while True:
        await loop.sock_sendall(source, body)
        try:
            while await asyncio.wait_for(loop.sock_recv(target, 70000), 0.2) != body:
                pass
        except TimeoutError:
            continue
        return


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_messages_cross_both_ways_and_new_keys_lose_none(scheme: str, workers: int) -> None:
    async def story(a: Hostless, b: Hostless) -> None:
        with opened(a, "node-2") as here, opened(b, "node-1") as there:
            await says(here, there, 0)
            before_all = [lost(node) for node in (a, b)]  # the first may have come before somebody had opened it there
            for _ in range(3):
                before = carrying(b)
                renew(b)
                while carrying(b) == before:
                    await to_and_fro(here, there)
                await to_and_fro(here, there)
            assert [lost(node) for node in (a, b)] == before_all

    told(story, scheme=scheme, workers=workers)


async def to_and_fro(here: socket.socket, there: socket.socket) -> None:
    """A few messages in either direction, none of which may be lost. The first of all may have been said more than once."""
    loop = asyncio.get_running_loop()
    for number in range(5):
        body = bytes([number]) * 3000
        for source, target in ((here, there), (there, here)):
            await loop.sock_sendall(source, body)
            while (came := await loop.sock_recv(target, 70000)) == FIRST:
                pass
            assert came == body


def carrying(node: Hostless) -> list[int]:
    """The sessions that carry traffic."""
    return [session.index for session in node.node.driver.node.sessions.values() if session.state is SessionState.ACTIVE]


def renew(node: Hostless) -> None:
    """The session is due for new keys."""
    driver = node.node.driver
    for index in carrying(node):
        driver.node._keeping.rotate(index, clock.monotonic())
    driver._settle()


def test_a_channel_outlives_the_worker_that_had_its_session() -> None:
    async def story(a: Hostless, b: Hostless) -> None:
        with opened(a, "node-2") as here, opened(b, "node-1") as there:
            numbers = count()
            await says(here, there, next(numbers))
            for node in (a, b):
                for pid in node.node.keeper.pids:
                    os.kill(pid, signal.SIGKILL)
                await says(here, there, next(numbers))
                await says(there, here, next(numbers))
                await until(lambda keeper=node.node.keeper: keeper.restarts == 2)  # the other one comes a moment later
                await says(here, there, next(numbers))

    told(story, workers=2)


def test_the_end_of_one_side_is_the_end_of_its_channel_in_every_worker() -> None:
    async def story(a: Hostless, b: Hostless) -> None:
        here, there = opened(a, "node-2"), opened(b, "node-1")
        with there:
            await says(here, there, 0)
            here.close()
            again, theirs = channel_pair()
            again.settimeout(0)
            while True:  # until all have heard of the end
                try:
                    a.node.keeper.open_channel("node-2", CHANNEL, theirs)
                except HostError:
                    await asyncio.sleep(0)
                else:
                    break
            with again:
                await says(again, there, 1)
                a.node.keeper.close_channel("node-2", CHANNEL)
                assert await asyncio.get_running_loop().sock_recv(again, 1) == b""

    told(story, workers=2)
