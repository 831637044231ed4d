"""What an application begins with: a client of the node of this host."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from appliance.control.client import Address
from appliance.sdk.connection import Connection
from appliance.sdk.datagrams import Datagrams
from appliance.sdk.errors import SDKError
from appliance.sdk.node import Following, NodeConnection, Told

if TYPE_CHECKING:
    from appliance.sdk.proxy import Proxy
    from appliance.sdk.tunnel import Tunnel

Accepted = TypeVar("Accepted")
"""What a listener gives for each caller."""


class Client:
    """Opens streams to peers, and serves. `address` is the node's control socket, where it is not the usual one.

    Used as `async with Client() as client:`. One client is enough for a program.
    """

    def __init__(self, address: Address | None = None) -> None:
        self._address = address
        self._asking: NodeConnection | None = None
        self._listeners: set[Listener[Any]] = set()

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
        """A stream to a service of the peer with that name, identity or address, or a plain connection to its port of that
        number. Raises SDKError within `deadline` seconds."""
        asked = _asked(to, service, metadata, traceparent, deadline)
        return Connection(*_one(await (await self._node()).ask("connect", asked)))

    async def connect_datagrams(
        self,
        to: str,
        service: str | int,
        *,
        metadata: Mapping[str, str] | None = None,
        traceparent: str = "",
        deadline: float = 5.0,
    ) -> Datagrams:
        """As `connect`, for datagrams."""
        asked = _asked(to, service, metadata, traceparent, deadline) | {"datagram": True}
        return Datagrams(*_one(await (await self._node()).ask("connect", asked)))

    async def listen(self, service: str) -> Listener[Connection]:
        """Serve under that name: the streams that come in from now on. Raises SDKError, ServiceTaken if somebody does already."""
        return await self._serve({"service": service}, Connection)

    async def listen_datagrams(self, service: str) -> Listener[Datagrams]:
        """As `listen`, for datagrams: an item for each caller."""
        return await self._serve({"service": service, "datagram": True}, Datagrams)

    async def _serve(
        self, asked: Mapping[str, Any], made: Callable[[socket.socket, Mapping[str, Any]], Accepted]
    ) -> Listener[Accepted]:
        node = await NodeConnection.open(self._address)
        try:
            streams = node.follow("serve", asked)
            await streams.next()
        except BaseException:
            node.close()
            raise
        listener = Listener(str(asked["service"]), node, streams, made, self._listeners.discard)
        self._listeners.add(listener)
        return listener

    def tunnel(
        self,
        to: str,
        service: str | int,
        *,
        local: tuple[str, int] = ("127.0.0.1", 0),
        datagrams: bool = False,
        failed: Callable[[Exception], None] | None = None,
    ) -> Tunnel:
        """A local port whose connections go to a service or port of a peer.

        Used as `async with client.tunnel("laptop", 5432) as tunnel:`.
        """
        from appliance.sdk.tunnel import Tunnel

        return Tunnel(self, to, service, local=local, datagrams=datagrams, failed=failed)

    def proxy(self, *, local: tuple[str, int] = ("127.0.0.1", 1080)) -> Proxy:
        """A local SOCKS5 and HTTP proxy onto the overlay: `async with client.proxy() as proxy:`."""
        from appliance.sdk.proxy import Proxy

        return Proxy(self, local=local)

    async def ask(self, op: str, args: Mapping[str, Any] | None = None) -> Any:
        """Any question that the control socket takes (docs/control-socket.md)."""
        told = await (await self._node()).ask(op, args)
        told.close()
        return told.value

    async def _node(self) -> NodeConnection:
        if self._asking is None or self._asking.closed:
            self._asking = await NodeConnection.open(self._address)
        return self._asking


class Listener(Generic[Accepted]):
    """A service of this application: `async for connection in listener:`, until it is closed or the node is gone."""

    def __init__(
        self,
        service: str,
        node: NodeConnection,
        streams: Following,
        made: Callable[[socket.socket, Mapping[str, Any]], Accepted],
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
        told = await self._streams.next()
        if told is None:
            raise StopAsyncIteration
        return self._made(*_one(told))

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


def _asked(to: str, service: str | int, metadata: Mapping[str, str] | None, traceparent: str, deadline: float) -> dict[str, Any]:
    asked: dict[str, Any] = {"to": to, "deadline_s": deadline}
    if isinstance(service, int):
        return asked | {"port": service}
    return asked | {"service": service, "metadata": dict(metadata or {}), "traceparent": traceparent}


def _one(told: Told) -> tuple[socket.socket, Mapping[str, Any]]:
    """The one socket that was handed over, and what was said of it."""
    try:
        [handed] = told.sockets
    except ValueError:
        told.close()
        raise SDKError("the node handed no stream over", hint="is it out of descriptors? see its log") from None
    return handed, told.value
