"""The face without asyncio: in threads, against nodes whose loop runs elsewhere."""

from __future__ import annotations

import asyncio

import pytest
from rigs.village import village

from appliance.sdk import ServiceNotFound, blocking


async def test_sockets_of_both_ends_are_ordinary_ones() -> None:
    async with village("left", "right") as two:
        serving = asyncio.Event()
        loop = asyncio.get_running_loop()

        def serve() -> tuple[str, dict[str, str]]:
            with blocking.listen("echo", address=two["right"].address) as streams:
                loop.call_soon_threadsafe(serving.set)
                for stream, peer, metadata, _ in streams:
                    with stream:
                        stream.sendall(stream.recv(100))
                    return peer, dict(metadata)
            raise AssertionError

        def call() -> bytes:
            with blocking.connect("right", "echo", metadata={"a": "b"}, address=two["left"].address) as stream:
                stream.sendall(b"hello")
                return stream.recv(100)

        async with asyncio.timeout(60):
            served = asyncio.create_task(asyncio.to_thread(serve))
            await serving.wait()
            assert await asyncio.to_thread(call) == b"hello"
            assert await served == ("left", {"a": "b"})


async def test_topics_are_read_and_published_in() -> None:
    async with village("left", "right") as two:
        reading = asyncio.Event()
        loop = asyncio.get_running_loop()

        def read() -> list[bytes]:
            with blocking.subscribe("news", address=two["right"].address) as messages:
                loop.call_soon_threadsafe(reading.set)
                return [next(messages).data for _ in range(2)]

        async with asyncio.timeout(60):
            read_there = asyncio.create_task(asyncio.to_thread(read))
            await reading.wait()
            for data in (b"one", b"two"):
                assert len(await asyncio.to_thread(blocking.publish, "news", data, address=two["left"].address)) == 40
            assert await read_there == [b"one", b"two"]


async def test_errors_are_the_same() -> None:
    async with village("left", "right") as two, asyncio.timeout(60):
        with pytest.raises(ServiceNotFound):
            await asyncio.to_thread(blocking.connect, "right", "nothing", address=two["left"].address)
