"""What an application begins with: a client of the node of this host."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

from appliance.control.client import Address
from appliance.foundation import clock, entropy, places
from appliance.foundation.tasks import Tasks
from appliance.sdk import tracing
from appliance.sdk.asking import Asking
from appliance.sdk.callbacks import Callback, called
from appliance.sdk.config import ClientConfig
from appliance.sdk.connection import Connection
from appliance.sdk.datagrams import Datagrams
from appliance.sdk.deadlines import within
from appliance.sdk.errors import SDKError
from appliance.sdk.interceptors import Call, Interceptor, Proceed, RateLimit, Tally, chained
from appliance.sdk.listener import Accepted, Listener
from appliance.sdk.metrics import ClientMetrics
from appliance.sdk.node import NodeConnection, Told
from appliance.sdk.peers import NodeHealth, Peer
from appliance.sdk.resilience.breaker import Thresholds
from appliance.sdk.resilience.circuits import Circuits
from appliance.sdk.resilience.retrying import Backoff, RetryBudget, RetryPolicy, Surroundings, with_retries
from appliance.sdk.serving import Serving, Source

if TYPE_CHECKING:
    from appliance.sdk.local.proxy import Proxy
    from appliance.sdk.local.tunnel import Tunnel
    from appliance.sdk.mesh import Mesh, MeshConfig
    from appliance.sdk.node import Following
    from appliance.sdk.resilience.pool import Pool
    from appliance.sdk.service import Service
    from appliance.sdk.topic import Topic

T = TypeVar("T")

SERVE_AGAIN = Backoff(0.5, 5.0)
"""A node that is restarted is back after a second or two."""
MOST_NODE_SECONDS = 300.0
"""The longest time limit that a node takes for opening a stream."""


class Client:
    """Opens streams to peers, and serves. Used as `async with Client() as client:`; one is enough for a program."""

    def __init__(
        self,
        address: Address | None = None,
        *,
        config: ClientConfig | None = None,
        interceptors: Sequence[Interceptor[Any]] = (),
        on_connect: Callback[Connection] | None = None,
        on_disconnect: Callback[Connection] | None = None,
        around: Surroundings | None = None,
        **settings: Any,
    ) -> None:
        """`address`: the node's control socket, where it is not the usual one. `settings` are fields of ClientConfig, and win
        over the environment and the file; or `config` is all. `on_connect` and `on_disconnect` get each connection that was
        opened or accepted, and when it is closed here. Raises ConfigInvalid."""
        self.config = config or ClientConfig.load(settings)
        self.around = around or Surroundings(clock.monotonic, asyncio.sleep, entropy.jitter)
        """Time and chance; tests bring their own."""
        self.budget = RetryBudget(share=self.config.retry_share)
        """Of retries, for all calls together."""
        self.backoff = Backoff(self.config.backoff_first_s, self.config.backoff_most_s)
        self._asking = Asking(address or self._usual_address())
        self._followed = Asking(address or self._usual_address())
        """For what lasts, so that questions never wait behind it."""
        self._circuits = Circuits(
            Thresholds(
                consecutive=self.config.breaker_failures,
                open_s=self.config.breaker_open_s,
                most_open_s=2 * self.config.breaker_open_s,
            ),
            self.around.now,
        )
        self._calls: Tally[Any] = Tally(self.around)
        limit = [RateLimit[Any](self.config.calls_per_s, self.around)] if self.config.calls_per_s else []
        self._interceptors: list[Interceptor[Any]] = [self._calls, *limit, *interceptors]
        self._on_connect, self._on_disconnect = on_connect, on_disconnect
        self._tasks = Tasks()
        self._listeners: set[Listener[Any]] = set()
        self._open: set[Connection] = set()
        self._opened = 0
        self._past: Counter[str] = Counter()
        """Figures of connections that are closed."""

    async def __aenter__(self) -> Self:
        await self._asking.begin()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End what is served, and the conversation with the node. Streams that were handed over go on; callbacks that run have
        some seconds to end."""
        for listener in list(self._listeners):
            await listener.close()
        self._asking.close()
        self._followed.close()
        await self._tasks.settle()
        await self._tasks.close()

    # ---- streams ----

    async def connect(
        self,
        to: str,
        service: str | int,
        *,
        metadata: Mapping[str, str] | None = None,
        traceparent: str = "",
        deadline: float | None = None,
    ) -> Connection:
        """A stream to a service of the peer with that name, identity or address, or a plain connection to its port of that
        number. Tried again while that may help. Raises SDKError within `deadline` seconds (`deadline_s` without it)."""

        async def opened(call: Call, seconds: float) -> Connection:
            return await self.open_stream(to, service, call.metadata, seconds, traceparent)

        return await self._called(opened, to, service, metadata, deadline)

    async def connect_datagrams(
        self,
        to: str,
        service: str | int,
        *,
        metadata: Mapping[str, str] | None = None,
        traceparent: str = "",
        deadline: float | None = None,
    ) -> Datagrams:
        """As `connect`, for datagrams."""

        async def opened(call: Call, seconds: float) -> Datagrams:
            return Datagrams(*_one(await self._ask_for(to, service, call.metadata, seconds, traceparent, datagram=True)))

        return await self._called(opened, to, service, metadata, deadline)

    async def _called(
        self,
        opened: Callable[[Call, float], Awaitable[T]],
        to: str,
        service: str | int,
        metadata: Mapping[str, str] | None,
        deadline: float | None,
    ) -> T:
        seconds = self.config.deadline_s if deadline is None else deadline
        policy, until = RetryPolicy(self.config.attempts, self.backoff), self.around.now() + seconds

        async def proceed(call: Call) -> T:
            return await with_retries(
                lambda _number: opened(call, until - self.around.now()), policy, self.budget, self.around, until=until
            )

        async with within(seconds, f"a connection with {service} of {to}"):
            return await self.intercepted(Call(to, str(service), dict(metadata or {}), seconds), proceed)

    async def open_stream(
        self, to: str, service: str | int, metadata: Mapping[str, str] | None, seconds: float, traceparent: str = ""
    ) -> Connection:
        """One attempt at that, without interceptors and without retries. Raises SDKError; CircuitOpen if too many failed of
        late."""
        return self._connection(await self._ask_for(to, service, metadata, seconds, traceparent))

    async def _ask_for(
        self,
        to: str,
        service: str | int,
        metadata: Mapping[str, str] | None,
        seconds: float,
        traceparent: str,
        **more: object,
    ) -> Told:
        asked: dict[str, Any] = {"to": to, "deadline_s": _for_the_node(seconds), **more}
        if isinstance(service, int):
            asked["port"] = service
        else:
            asked |= {"service": service, "metadata": dict(metadata or {}), "traceparent": traceparent or tracing.current()}
        return await self._circuits.guarded(f"{service} of {to}", lambda: self._asking.ask("connect", asked))

    async def listen(self, service: str) -> Listener[Connection]:
        """Serve under that name: the streams that come in from now on. Raises SDKError, ServiceTaken if somebody does already."""
        return await self._serve({"service": service}, self._connection)

    async def listen_datagrams(self, service: str) -> Listener[Datagrams]:
        """As `listen`, for datagrams: an item for each caller."""
        return await self._serve({"service": service, "datagram": True}, lambda told: Datagrams(*_one(told)))

    async def _serve(self, asked: Mapping[str, Any], made: Callable[[Told], Accepted]) -> Listener[Accepted]:
        node = await self._asking.another()
        try:
            streams = node.follow("serve", asked)
            await streams.next()
        except BaseException:
            node.close()
            raise
        listener = Listener(str(asked["service"]), node, streams, made, self._listeners.discard)
        self._listeners.add(listener)
        return listener

    async def serve(
        self,
        service: str,
        handle: Callable[[Connection], Awaitable[None]],
        *,
        listen: Callable[[], Awaitable[Source[Connection]]] | None = None,
        begun: Callable[[], None] | None = None,
        interrupted: Callable[[SDKError], None] | None = None,
        failed: Callable[[str, Exception], None] | None = None,
    ) -> None:
        """Serve until this is cancelled: `handle(connection)` for each caller, in a task of its own, which closes the connection.

        When the node of this host is restarted the service is registered again. `begun` is called each time it is served,
        `interrupted` when it is not, with the reason, and `failed` with a peer and what went wrong with it. `listen` makes what
        callers come from, where that is more than a name (`Service.register`). Raises SDKError if it cannot be served at all.
        """
        serving = Serving(SERVE_AGAIN, self.around, begun, interrupted, failed)
        await serving.run(listen or (lambda: self.listen(service)), handle)

    async def serve_datagrams(
        self,
        service: str,
        handle: Callable[[Datagrams], Awaitable[None]],
        *,
        begun: Callable[[], None] | None = None,
        interrupted: Callable[[SDKError], None] | None = None,
        failed: Callable[[str, Exception], None] | None = None,
    ) -> None:
        """As `serve`, for datagrams."""
        serving = Serving(SERVE_AGAIN, self.around, begun, interrupted, failed)
        await serving.run(lambda: self.listen_datagrams(service), handle)

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
        from appliance.sdk.local.tunnel import Tunnel

        return Tunnel(self, to, service, local=local, datagrams=datagrams, failed=failed)

    def proxy(self, *, local: tuple[str, int] = ("127.0.0.1", 1080)) -> Proxy:
        """A local SOCKS5 and HTTP proxy onto the overlay: `async with client.proxy() as proxy:`."""
        from appliance.sdk.local.proxy import Proxy

        return Proxy(self, local=local)

    def pool(self, to: str, service: str | int, *, metadata: Mapping[str, str] | None = None) -> Pool[Connection]:
        """Connections to one service of one peer that are used again, within the limits of the configuration."""
        from appliance.sdk.resilience.pool import Pool, PoolLimits

        limits = PoolLimits(self.config.pool_most, self.config.pool_idle_s, self.config.pool_life_s)
        return Pool(lambda: self.connect(to, service, metadata=metadata), self.around, limits)

    # ---- what the network has ----

    def service(self, name: str) -> Service:
        """A service by name, wherever in the network it is served."""
        from appliance.sdk.service import Service

        return Service(self, name)

    def mesh(
        self,
        name: str,
        config: MeshConfig | None = None,
        *,
        on_join: Callback[str] | None = None,
        on_leave: Callback[str] | None = None,
    ) -> Mesh:
        """A group of applications that send messages to each other; `async with` joins it."""
        from appliance.sdk.mesh import Mesh, MeshConfig

        return Mesh(self, name, config or MeshConfig(), on_join, on_leave)

    def topic(self, name: str) -> Topic:
        """What is published in the network under that name; `async with` subscribes."""
        from appliance.sdk.topic import Topic

        return Topic(self, name)

    async def peers(self) -> tuple[Peer, ...]:
        """All peers of this host's node, connected or not. Raises SDKError."""
        return tuple(Peer.of(told) for told in await self.ask("peers"))

    async def health(self) -> NodeHealth:
        """How this host's node is now. Raises SDKError, NodeGone if none answers."""
        return NodeHealth.of(await self.ask("health"))

    # ---- asking the node ----

    async def ask(self, op: str, args: Mapping[str, Any] | None = None) -> Any:
        """Any question that the control socket takes (docs/control-socket.md). Raises SDKError."""
        told = await self._asking.ask(op, args)
        told.close()
        return told.value

    @asynccontextmanager
    async def following(self, op: str, args: Mapping[str, Any] | None = None) -> AsyncGenerator[AsyncGenerator[Any, None], None]:
        """The items of an answer that is a stream, in a context. Raises SDKError."""
        node = await self._asking.another()
        try:
            async with aclosing(_items(node, op, args)) as items:
                yield items
        finally:
            node.close()

    async def follow(self, op: str, args: Mapping[str, Any] | None = None) -> Following:
        """The same, for what takes all items without delay and shares a conversation with others. Raises SDKError."""
        return await self._followed.follow(op, args)

    # ---- figures ----

    def metrics(self) -> ClientMetrics:
        """Of all calls and connections so far."""
        now = [connection.metrics() for connection in self._open]
        return ClientMetrics(
            calls=dict(self._calls.ended),
            opened=self._opened,
            open=len(now),
            bytes_received=self._past["received"] + sum(each.bytes_received for each in now),
            bytes_sent=self._past["sent"] + sum(each.bytes_sent for each in now),
            errors=self._past["errors"] + sum(each.errors for each in now),
            reconnects=self._asking.reconnects,
            retries_left=self.budget.left,
            circuits=self._circuits.not_closed(),
        )

    # ---- parts ----

    async def intercepted(self, call: Call, proceed: Proceed[T]) -> T:
        """The call, with everything around it that this client has around calls."""
        result: T = await chained(self._interceptors, proceed)(call)
        return result

    def _usual_address(self) -> Address:
        environ = {**os.environ, places.INSTANCE_VARIABLE: self.config.instance} if self.config.instance else os.environ
        return tuple(places.control_addresses(environ))

    def _connection(self, told: Told) -> Connection:
        connection = Connection(*_one(told), self._has_ended)
        self._open.add(connection)
        self._opened += 1
        called(self._on_connect, connection, self._tasks)
        return connection

    def _has_ended(self, connection: Connection) -> None:
        self._open.discard(connection)
        metrics = connection.metrics()
        self._past.update(received=metrics.bytes_received, sent=metrics.bytes_sent, errors=metrics.errors)
        called(self._on_disconnect, connection, self._tasks)


def _for_the_node(seconds: float) -> float:
    """A little less than this program waits, so that the reason arrives."""
    return min(max(seconds - min(0.1, seconds / 10), 0.001), MOST_NODE_SECONDS)


def _one(told: Told) -> tuple[socket.socket, Mapping[str, Any]]:
    """The one socket that was handed over, and what was said of it."""
    try:
        [handed] = told.sockets
    except ValueError:
        told.close()
        raise SDKError("the node handed no stream over", hint="is it out of descriptors? see its log") from None
    return handed, told.value


async def _items(node: NodeConnection, op: str, args: Mapping[str, Any] | None) -> AsyncGenerator[Any, None]:
    items = node.follow(op, args)
    try:
        while (told := await items.next()) is not None:
            told.close()
            yield told.value
    finally:
        items.close()
