"""A service that this program serves on its own host's node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

from appliance.foundation.logging import get_logger
from appliance.sdk.errors import SDKError
from appliance.sdk.node import Following, NodeConnection, Told

log = get_logger("sdk")

Accepted = TypeVar("Accepted")
"""What a listener gives for each caller."""


class Listener(Generic[Accepted]):
    """A service of this application: `async for connection in listener:`, until it is closed or the node is gone. Made by
    `Client.listen` and `Client.listen_datagrams`."""

    def __init__(
        self,
        service: str,
        node: NodeConnection,
        streams: Following,
        made: Callable[[Told], Accepted],
        closed: Callable[[Listener[Any]], None],
    ) -> None:
        self.service = service
        self._node = node
        self._streams = streams
        self._made = made
        self._closed = closed

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Accepted:
        while (told := await self._streams.next()) is not None:
            if told.sockets:
                return self._made(told)
            log.warning(
                "a stream was lost: this program may have no more descriptors", service=self.service, peer=told.value.get("peer")
            )
        raise StopAsyncIteration

    async def accept(self) -> Accepted:
        """The next stream. Raises SDKError when the node is gone, or the listener is closed."""
        try:
            return await anext(self)
        except StopAsyncIteration:
            raise SDKError(f"service {self.service} is served no more") from None

    async def close(self) -> None:
        """Serve no more. Streams that were taken go on."""
        self._closed(self)
        self._streams.close()
        self._node.close()
