"""A conversation with a node, line by line: whose descriptor is whose, whatever is lost."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from appliance.control.messages import Answer, Item, line_of
from appliance.sdk.errors import NodeGone
from appliance.sdk.node import MOST_UNTAKEN, NodeConnection


class Node:
    """The other end."""

    def __init__(self) -> None:
        here, self.there = socket.socketpair()
        self.connection = NodeConnection(here)

    def hand(self, message: Answer | Item, *names: bytes) -> None:
        """A line with sockets, at the other ends of which one reads these names."""
        ends = []
        for name in names:
            near, far = socket.socketpair()
            near.send(name)
            near.close()
            ends.append(far)
        socket.send_fds(self.there, [line_of(message)], [end.fileno() for end in ends])
        for end in ends:
            end.close()


@pytest.fixture
async def node() -> Node:
    return Node()


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """This process may have as many as it has."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_lost_descriptor_is_its_own_lines_and_nobody_gets_anothers(node: Node) -> None:
    following = node.connection.follow("serve")
    for name in (b"ada", b"bob", b"eve"):
        node.hand(Item(1, {"peer": name.decode()}, 1), name)
    with no_more_descriptors():
        node.connection._read()
    told = [await following.next()]
    async with asyncio.timeout(60):
        told += [await following.next(), await following.next()]
    assert [each.value["peer"] for each in told if each] == ["ada", "bob", "eve"]
    assert told[0] is not None
    assert not told[0].sockets
    for each in told[1:]:
        assert each is not None
        [handed] = each.sockets
        assert handed.recv(9).decode() == each.value["peer"]
        assert not os.get_inheritable(handed.fileno()), "no program that is started gets it"
        handed.close()
    node.connection.close()


async def test_several_of_one_line_that_are_lost_in_part_are_its_own_too(node: Node) -> None:
    first, second = (node.connection.follow("connect") for _ in range(2))
    node.hand(Answer(1, {}, 2), b"one", b"two")
    node.hand(Answer(2, {}, 1), b"three")
    with no_more_descriptors():
        node.connection._read()
    async with asyncio.timeout(60):
        lost, whole = await first.next(), await second.next()
    assert lost is not None
    assert whole is not None
    assert not lost.sockets
    assert whole.sockets[0].recv(9) == b"three"
    lost.close()
    whole.close()
    node.connection.close()


async def test_what_comes_for_a_question_that_was_taken_back_is_closed(node: Node) -> None:
    asking = asyncio.create_task(node.connection.ask("connect"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    near, far = socket.socketpair()
    socket.send_fds(node.there, [line_of(Answer(1, {}, 1))], [far.fileno()])
    far.close()
    near.settimeout(60)
    assert await asyncio.to_thread(near.recv, 1) == b""
    assert node.connection.under_way == 0
    near.close()
    node.connection.close()


async def test_a_program_that_takes_nothing_is_sent_no_more_than_it_may_keep(node: Node) -> None:
    following = node.connection.follow("events")
    node.there.settimeout(60)
    sent = 1000

    def send() -> None:
        for number in range(sent):
            node.there.sendall(line_of(Item(1, [number, "x" * 60_000])))

    sending = asyncio.create_task(asyncio.to_thread(send))
    async with asyncio.timeout(60):
        while len(following._found) < MOST_UNTAKEN:  # noqa: ASYNC110
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(following._found) <= MOST_UNTAKEN + 2
        numbers = [told.value[0] for _ in range(sent) if (told := await following.next())]
        await sending
    assert numbers == list(range(sent)), "and loses nothing"
    node.connection.close()


@pytest.mark.parametrize("said", [b"\xff\n", b"[]\n", b"{}\n", b'{"id": 1}\n', b'{"id":1,"item":0,"fds":-1}\n', b""])
async def test_what_no_node_says_ends_the_conversation(node: Node, said: bytes) -> None:
    asking = asyncio.create_task(node.connection.ask("status"))
    await asyncio.sleep(0)
    node.there.sendall(said)
    if not said:
        node.there.close()
    with pytest.raises(Exception, match=r"not understood|ended the connection") as error:
        await asyncio.wait_for(asking, 60)
    assert isinstance(error.value, NodeGone) or error.value.code == "SDKError"  # type: ignore[attr-defined]
    assert node.connection.closed
