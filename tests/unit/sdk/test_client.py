"""A client of a node: streams, what goes wrong with them, and what is left afterwards."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from rigs.village import House, Village, village

from appliance.sdk import (
    CircuitOpen,
    Client,
    ConfigInvalid,
    Connection,
    DeadlineExceeded,
    NodeGone,
    PeerUnreachable,
    ServiceBusy,
    ServiceNotFound,
    ServiceTaken,
    UnknownPeer,
    continued,
)

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
async def two() -> AsyncIterator[Village]:
    async with village("left", "right") as made:
        yield made


@asynccontextmanager
async def echoing(house: House, service: str = "echo") -> AsyncIterator[list[Connection]]:
    """An application there that sends all back; what it was given."""
    given: list[Connection] = []

    async def echo(connection: Connection) -> None:
        async with connection:
            while piece := await connection.read():
                await connection.write(piece)

    async def serve(client: Client) -> None:
        async with asyncio.TaskGroup() as tasks, await client.listen(service) as listener:
            ready.set()
            async for connection in listener:
                given.append(connection)
                tasks.create_task(quietly(echo(connection)))

    async with house.client() as client:
        ready = asyncio.Event()
        serving = asyncio.create_task(serve(client))
        await asyncio.wait([serving, asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
        yield given
        serving.cancel()
        await asyncio.wait([serving])


async def quietly(work):  # noqa: ANN001, ANN201
    try:
        return await work
    except (OSError, EOFError):
        return None


async def asked(connection: Connection, question: bytes) -> bytes:
    await connection.write(question)
    return await connection.readexactly(len(question))


async def test_five_lines_talk_with_a_peer(two: Village) -> None:
    async with echoing(two["right"]) as given, two["left"].client() as client:
        async with await client.connect("right", "echo", metadata={"user": "ada"}) as connection:
            assert await asked(connection, b"hello") == b"hello"
        [taken] = given
        assert (taken.peer, taken.identity, taken.service) == ("left", two["left"].identity, "echo")
        assert taken.metadata == {"user": "ada"}


async def test_a_trace_is_carried(two: Village) -> None:
    async with echoing(two["right"]) as given, two["left"].client() as client:
        with continued(TRACE):
            await (await client.connect("right", "echo")).close()
        await (await client.connect("right", "echo")).close()
        async with asyncio.timeout(60):
            while len(given) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert [connection.traceparent for connection in given] == [TRACE, ""]


async def test_what_cannot_be_had_says_why_and_whether_to_try_again(two: Village) -> None:
    async with echoing(two["right"]), two["left"].client(attempts=1) as client:
        with pytest.raises(UnknownPeer) as unknown:
            await client.connect("nobody", "echo")
        with pytest.raises(ServiceNotFound) as missing:
            await client.connect("right", "nothing")
        assert not unknown.value.retryable
        assert not missing.value.retryable
        assert missing.value.hint
        two.wire.cut.add(two["right"].overlay)
        with pytest.raises((PeerUnreachable, DeadlineExceeded)) as late:
            await client.connect("right", "echo", deadline=0.05)
        assert late.value.retryable
        async with two["right"].client() as other:
            with pytest.raises(ServiceTaken):
                await other.listen("echo")


async def test_no_node_is_said_at_once() -> None:
    with pytest.raises(NodeGone) as gone:
        async with Client("\0appliance-test-nobody"):
            raise AssertionError
    assert gone.value.code == "NoDaemon"


async def test_a_wrong_setting_is_said_before_anything_is_asked() -> None:
    with pytest.raises(ConfigInvalid, match="deadlines_s: there is no such key"):
        Client(deadlines_s=4)


async def test_calls_to_a_place_that_fails_are_not_made_for_a_while(two: Village) -> None:
    two.wire.cut.add(two["right"].overlay)
    async with two["left"].client(attempts=1, breaker_failures=3) as client:
        for _ in range(3):
            with pytest.raises((PeerUnreachable, DeadlineExceeded)):
                await client.open_stream("right", "echo", None, 0.02)
        with pytest.raises(CircuitOpen) as opened:
            await client.connect("right", "echo")
        assert opened.value.opens_in_s > 0
        assert client.metrics().circuits == {"echo of right": "open"}
        with pytest.raises(ServiceNotFound):
            await client.connect("left", "echo")


async def test_callbacks_plain_and_asynchronous_hear_of_each_connection(two: Village) -> None:
    heard: list[str] = []

    async def gone(connection: Connection) -> None:
        await asyncio.sleep(0)
        heard.append(f"gone {connection.peer}")
        raise ValueError("a mistake in a callback")

    client = two["left"].client(on_connect=lambda connection: heard.append(f"there {connection.peer}"), on_disconnect=gone)
    async with echoing(two["right"]), client:
        connection = await client.connect("right", "echo")
        await connection.close()
        await connection.close()
        connection.reset()
    assert heard == ["there right", "gone right"], "also what was begun when the client was closed"


async def test_a_node_that_dies_under_a_hundred_streams_and_comes_back(two: Village) -> None:
    async with echoing(two["right"]), two["left"].client(backoff_first_s=0.01) as client:
        streams = [await client.connect("right", "echo") for _ in range(100)]
        await two["left"].stop()
        for stream in streams:
            assert await asked(stream, b"still") == b"still"
        with pytest.raises(NodeGone):
            await client.connect("right", "echo", deadline=5)
        await two["left"].start()
        async with await client.connect("right", "echo") as connection:
            assert await asked(connection, b"again") == b"again"
        assert client.metrics().reconnects == 1
        assert (await client.health()).ok
        for stream in streams:
            await stream.close()


async def test_all_that_wait_for_a_node_hear_that_it_is_gone(two: Village) -> None:
    two.wire.cut.add(two["right"].overlay)
    async with two["left"].client(attempts=1) as client, asyncio.timeout(60):
        waiting = [asyncio.create_task(client.connect("right", "echo", deadline=300)) for _ in range(200)]
        for _ in range(100):
            await asyncio.sleep(0)
        for task in waiting[50:60]:
            task.cancel()
        await two["left"].stop()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in ended} == {NodeGone, asyncio.CancelledError}


async def test_who_waits_for_a_turn_gets_it_when_those_before_are_cancelled(two: Village) -> None:
    async with echoing(two["right"]), two["left"].client(attempts=1) as client, asyncio.timeout(60):
        two.wire.cut.add(two["right"].overlay)
        stuck = [asyncio.create_task(client.open_stream("right", "echo", None, 300)) for _ in range(200)]
        for _ in range(100):
            await asyncio.sleep(0)
        two.wire.cut.clear()
        opening = asyncio.create_task(client.connect("right", "echo", deadline=60))
        for task in stuck:
            task.cancel()
        await (await opening).close()
        await asyncio.gather(*stuck, return_exceptions=True)


async def test_health_and_peers_are_the_nodes_own(two: Village) -> None:
    two["left"].problems = {"worker": "it does not answer"}
    async with two["left"].client() as client:
        health = await client.health()
    assert (health.ok, health.ready, dict(health.problems)) == (False, True, {"worker": "it does not answer"})


async def test_figures_of_all_connections(two: Village) -> None:
    async with echoing(two["right"]), two["left"].client() as client:
        async with await client.connect("right", "echo") as connection:
            await asked(connection, b"12345")
        async with await client.connect("right", "echo") as connection:
            await asked(connection, b"123")
            metrics = client.metrics()
    assert (metrics.opened, metrics.open, metrics.bytes_sent, metrics.bytes_received) == (2, 1, 8, 8)
    assert metrics.calls == {"ok": 2}


async def test_a_pool_of_connections_to_a_real_service(two: Village) -> None:
    async with echoing(two["right"]) as given, two["left"].client(pool_most=2) as client, client.pool("right", "echo") as pool:

        async def call(number: int) -> bytes:
            async with pool.connection() as connection:
                return await asked(connection, b"%05d" % number)

        assert await asyncio.gather(*map(call, range(20))) == [b"%05d" % number for number in range(20)]
        assert len(given) == 2
        given[0].reset()
        given[1].reset()
        assert await call(7) == b"00007"
        assert pool.counted["unfit"] == 2


async def test_an_application_that_does_not_accept_keeps_a_bounded_number_of_streams(two: Village) -> None:
    async with two["right"].client() as server, await server.listen("idle") as listener, two["left"].client(attempts=1) as client:
        before = descriptors()
        opened, refused = [], 0
        for _ in range(600):
            try:
                opened.append(await client.connect("right", "idle"))
            except (ServiceBusy, CircuitOpen):
                refused += 1
        assert refused > 200
        assert descriptors() - before < 2 * len(opened) + 20
        for connection in opened:
            await connection.close()
        assert await listener.accept()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208
