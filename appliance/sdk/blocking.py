"""The same for programs without asyncio: streams as ordinary sockets.

    with blocking.connect("right", "echo") as stream:
        stream.sendall(b"hello")

Retries, deadlines and settings are those of `Client`. Each thread makes calls of its own; none may be made where an event loop
runs.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from appliance.sdk.client import Client
from appliance.sdk.connection import Connection
from appliance.sdk.listener import Listener
from appliance.sdk.topic import Topic, TopicMessage


class Accepted(NamedTuple):
    """A stream that somebody opened. Whoever takes it closes the socket."""

    stream: socket.socket
    """Blocking."""
    peer: str
    """The caller's name; "" for a process of this host."""
    metadata: Mapping[str, str]
    traceparent: str


def connect(
    to: str, service: str | int, *, metadata: Mapping[str, str] | None = None, deadline: float | None = None, **settings: Any
) -> socket.socket:
    """A stream as `Client.connect` has it; `settings` as `Client` takes them. Raises SDKError within `deadline` seconds."""

    async def connected() -> socket.socket:
        async with Client(**settings) as client:
            return (await client.connect(to, service, metadata=metadata, deadline=deadline)).detach()

    return _blocking(asyncio.run(connected()))


@contextmanager
def listen(service: str, **settings: Any) -> Iterator[Iterator[Accepted]]:
    """Serve under that name: `with listen("echo") as streams:`, `for accepted in streams:`. Raises SDKError."""
    with asyncio.Runner() as runner:
        client = Client(**settings)
        listener = runner.run(client.listen(service))
        try:
            yield _accepted(runner, listener)
        finally:
            runner.run(client.close())


def publish(topic: str, data: bytes, *, deadline: float | None = None, **settings: Any) -> str:
    """Tell all who are subscribed, as `Topic.publish` does; returns the message's id. Raises SDKError."""

    async def published() -> str:
        async with Client(**settings) as client:
            return await client.topic(topic).publish(data, deadline=deadline)

    return asyncio.run(published())


@contextmanager
def subscribe(topic: str, **settings: Any) -> Iterator[Iterator[TopicMessage]]:
    """What is published from now on: `with subscribe("news") as messages:`, `for message in messages:`. Raises SDKError."""
    with asyncio.Runner() as runner:
        client = Client(**settings)
        followed = client.topic(topic)
        try:
            runner.run(followed.subscribe())
            yield _messages(runner, followed)
        finally:
            runner.run(followed.unsubscribe())
            runner.run(client.close())


def _messages(runner: asyncio.Runner, topic: Topic) -> Iterator[TopicMessage]:
    """The loop runs only while the next one is waited for: what comes meanwhile waits at the node."""
    while True:
        yield runner.run(topic.receive())


def _accepted(runner: asyncio.Runner, listener: Listener[Connection]) -> Iterator[Accepted]:
    """The loop runs only while the next one is waited for: what comes meanwhile waits at the node."""
    while (accepted := runner.run(_next(listener))) is not None:
        yield accepted


async def _next(listener: Listener[Connection]) -> Accepted | None:
    async for connection in listener:
        return Accepted(_blocking(connection.detach()), connection.peer, connection.metadata, connection.traceparent)
    return None


def _blocking(stream: socket.socket) -> socket.socket:
    stream.settimeout(None)
    return stream
