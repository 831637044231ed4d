"""A service for as long as a program runs: each caller is handled in a task of its own, and when the node of this host is
restarted, the service is registered again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks
from appliance.sdk.datagrams import Datagrams
from appliance.sdk.errors import NodeGone, SDKError
from appliance.sdk.local.flows import exchange
from appliance.sdk.local.splicing import splice
from appliance.sdk.sockets import made

if TYPE_CHECKING:
    from appliance.sdk.connection import Connection
    from appliance.sdk.resilience.retrying import Backoff, Surroundings

log = get_logger("sdk")


class Closes(Protocol):
    """What a caller came with."""

    peer: str

    async def close(self) -> None:
        """It is over."""


Accepted = TypeVar("Accepted", bound=Closes)


Offered_co = TypeVar("Offered_co", bound=Closes, covariant=True)


class Source(Protocol[Offered_co]):
    """A listener, or an offering."""

    async def close(self) -> None:
        """No more."""

    def __aiter__(self) -> AsyncIterator[Offered_co]:
        """Callers, until it is closed. Raises SDKError when the node is gone."""
        ...


class Serving:
    """How a service goes on. `begun` is called when it is served, first and again; `interrupted` with the reason when it is not
    for a while; `failed` with the caller's name and what went wrong with it."""

    def __init__(
        self,
        backoff: Backoff,
        around: Surroundings,
        begun: Callable[[], None] | None = None,
        interrupted: Callable[[SDKError], None] | None = None,
        failed: Callable[[str, Exception], None] | None = None,
    ) -> None:
        self._backoff = backoff
        self._around = around
        self._begun = begun
        self._interrupted = interrupted
        self._failed = failed
        self._tasks = Tasks()

    async def run(self, listen: Callable[[], Awaitable[Source[Accepted]]], handle: Callable[[Accepted], Awaitable[None]]) -> None:
        """Until it is cancelled. Raises SDKError if it cannot be served at all."""
        served, failures = False, 0
        try:
            while True:
                try:
                    async with _closing(await listen()) as source:
                        served, failures = True, 0
                        if self._begun is not None:
                            self._begun()
                        async for accepted in source:
                            self._tasks.spawn(self._handled(accepted, handle), "a caller of a service")
                except SDKError as error:
                    if not served or not (error.retryable or isinstance(error, NodeGone)):
                        raise
                    if not failures and self._interrupted is not None:
                        self._interrupted(error)
                failures += 1
                await self._around.sleep(self._backoff.wait(failures, self._around.chance))
        finally:
            await self._tasks.close()

    async def _handled(self, accepted: Accepted, handle: Callable[[Accepted], Awaitable[None]]) -> None:
        try:
            await handle(accepted)
        except (SDKError, OSError) as error:
            log.debug("a caller of a service was given up", peer=accepted.peer, reason=str(error))
            if self._failed is not None:
                self._failed(accepted.peer, error)
        finally:
            await accepted.close()


@asynccontextmanager
async def _closing(source: Source[Accepted]) -> AsyncGenerator[Source[Accepted]]:
    try:
        yield source
    finally:
        await source.close()


def server_behind(server: tuple[str, int]) -> Callable[[Connection], Awaitable[None]]:
    """Handles a stream by a TCP server of this host, at that address. Raises OSError."""

    async def carry(connection: Connection) -> None:
        local = made(server, socket.SOCK_STREAM)
        try:
            await asyncio.get_running_loop().sock_connect(local, server)
        except BaseException:
            local.close()
            connection.reset()
            raise
        await splice(connection.detach(), local)

    return carry


def datagram_server_behind(server: tuple[str, int]) -> Callable[[Datagrams], Awaitable[None]]:
    """Handles a caller's datagrams by a UDP server of this host, until neither said anything for a minute. Raises OSError."""

    async def carry(caller: Datagrams) -> None:
        local = made(server, socket.SOCK_DGRAM)
        try:
            await asyncio.get_running_loop().sock_connect(local, server)
        except BaseException:
            local.close()
            raise
        async with Datagrams(local, {}) as behind:
            with suppress(SDKError):
                await exchange(caller, behind)

    return carry
