"""Streams are bounded in number and time, and end with their reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from appliance.api_server.jobs.streaming import (
    IN_ALL,
    JUDGE_EVERY,
    MOST_SECONDS,
    OF_A_USER,
    RETRY,
    EventStream,
    Streams,
    TooManyStreams,
)
from appliance.management.jobs.events import Beat, Event, Stale
from tests.rigs.virtual_loop import played


async def beats() -> AsyncGenerator[Event | Stale | Beat, None]:
    while True:
        await asyncio.sleep(15)
        yield Beat(7)


async def still() -> bool:
    return True


async def sent(stream: EventStream, gone_after: float | None = None) -> list[bytes]:
    """What is sent to a client, which goes away after so many seconds."""
    pieces: list[bytes] = []

    async def receive() -> Any:
        await asyncio.sleep(10**6 if gone_after is None else gone_after)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pieces.append(message.get("body", b""))

    await stream({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)
    return pieces


def test_a_stream_ends_after_ten_minutes_so_that_its_caller_is_looked_at_again() -> None:
    async def story() -> None:
        streams = Streams()
        began = asyncio.get_running_loop().time()
        pieces = await sent(streams.answer("alice", beats(), still))
        assert asyncio.get_running_loop().time() - began == MOST_SECONDS
        assert [piece.decode() for piece in pieces if piece] == [RETRY, *[": heartbeat\nid: 7\n\n"] * 40]
        assert len(streams) == 0

    played(story())


def test_a_stream_ends_soon_after_its_caller_may_no_longer_follow_it() -> None:
    async def story() -> None:
        began = asyncio.get_running_loop().time()

        async def for_a_minute() -> bool:
            return asyncio.get_running_loop().time() - began < 60

        await sent(Streams().answer("alice", beats(), for_a_minute))
        assert asyncio.get_running_loop().time() - began <= 60 + JUDGE_EVERY

    played(story())


def test_a_client_that_goes_away_ends_his_stream() -> None:
    async def story() -> None:
        streams, steps = Streams(), beats()
        await sent(streams.answer("alice", steps, still), gone_after=20)
        assert len(streams) == 0
        with pytest.raises(StopAsyncIteration):
            await anext(steps)

    played(story())


def test_streams_are_bounded_for_each_user_and_in_all() -> None:
    async def story() -> None:
        streams = Streams()
        users = [f"u{number}" for number in range(IN_ALL // OF_A_USER)]
        opened = [streams.answer(user, beats(), still) for user in users for _ in range(OF_A_USER)]
        for user in (users[0], "another"):
            with pytest.raises(TooManyStreams):
                streams.answer(user, beats(), still)
        await sent(opened[0], gone_after=1)
        streams.answer(users[0], beats(), still)

    played(story())
