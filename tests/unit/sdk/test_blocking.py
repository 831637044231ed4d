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


async def test_errors_are_the_same() -> None:
    async with village("left", "right") as two, asyncio.timeout(60):
        with pytest.raises(ServiceNotFound):
            await asyncio.to_thread(blocking.connect, "right", "nothing", address=two["left"].address)
