"""What an application begins with: a client of the node of this host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from appliance.control.client import Address
from appliance.sdk.connection import Connection
from appliance.sdk.errors import SDKError
from appliance.sdk.node import Following, NodeConnection, Told


class Client:
    """Opens streams to peers, and serves. `address` is the node's control socket, where it is not the usual one.

    Used as `async with Client() as client:`. One client is enough for a program.
    """

    def __init__(self, address: Address | None = None) -> None:
        self._address = address
        self._asking: NodeConnection | None = None
        self._listeners: set[Listener] = set()

    async def __aenter__(self) -> Self:
        await self._node()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End what is served, and the conversation with the node. Streams that were handed over go on."""
        for listener in list(self._listeners):
            await listener.close()
        if self._asking is not None:
            self._asking.close()

    async def connect(
        self,
        to: str,
        service: str | int,
        *,
        metadata: Mapping[str, str] | None = None,
        traceparent: str = "",
        deadline: float = 5.0,
    ) -> Connection:
        """A stream to a service of the peer with that name or identity, or a plain connection to its port of that number. Raises
        SDKError within `deadline` seconds."""
        asked: dict[str, Any] = {"to": to, "deadline_s": deadline}
        if isinstance(service, int):
            asked["port"] = service
        else:
            asked |= {"service": service, "metadata": dict(metadata or {}), "traceparent": traceparent}
        told = await (await self._node()).ask("connect", asked)
        return _connection(told)

    async def listen(self, service: str) -> Listener:
        """Serve under that name: the streams that come in from now on. Raises SDKError, ServiceTaken if somebody does already."""
        node = await NodeConnection.open(self._address)
        try:
            streams = node.follow("serve", {"service": service})
            await streams.next()
        except BaseException:
            node.close()
            raise
        listener = Listener(service, node, streams, self._listeners.discard)
        self._listeners.add(listener)
        return listener

    async def ask(self, op: str, args: Mapping[str, Any] | None = None) -> Any:
        """Any question that the control socket takes (docs/control-socket.md)."""
        told = await (await self._node()).ask(op, args)
        told.close()
        return told.value

    async def _node(self) -> NodeConnection:
        if self._asking is None or self._asking.closed:
            self._asking = await NodeConnection.open(self._address)
        return self._asking


class Listener:
    """A service of this application: `async for connection in listener:`, until it is closed or the node is gone."""

    def __init__(self, service: str, node: NodeConnection, streams: Following, closed: Callable[[Listener], None]) -> None:
        self.service = service
        self._node = node
        self._streams = streams
        self._closed = closed

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Connection:
        told = await self._streams.next()
        if told is None:
            raise StopAsyncIteration
        return _connection(told)

    async def accept(self) -> Connection:
        """The next stream. Raises SDKError when the node is gone, or the listener is closed."""
        told = await self._streams.next()
        if told is None:
            raise SDKError(f"service {self.service} is served no more")
        return _connection(told)

    async def close(self) -> None:
        """Serve no more. Streams that were taken go on."""
        self._closed(self)
        self._streams.close()
        self._node.close()


def _connection(told: Told) -> Connection:
    try:
        [stream] = told.sockets
    except ValueError:
        told.close()
        raise SDKError("the node handed no stream over", hint="is it out of descriptors? see its log") from None
    return Connection(stream, told.value)
