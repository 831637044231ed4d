"""A service of the network: found by the members' rows, called over whichever instance is good, offered with a health check.

echo = client.service("echo")
answer = await echo.call(ask)                  ask(connection) is made again elsewhere while it fails with a retryable error

async with await echo.register(health=works) as offered:
    async for connection in offered: …
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from appliance.errors import ApplianceError
from appliance.sdk.deadlines import within
from appliance.sdk.errors import AccessDenied, NoInstance, SDKError, ServiceNotFound, UnknownPeer
from appliance.sdk.instances import Instance
from appliance.sdk.interceptors import Call
from appliance.sdk.offering import HealthCheck, Offering, ServiceConfig
from appliance.sdk.resilience.balancing import Balancer, Balancing
from appliance.sdk.resilience.retrying import RetryPolicy, with_retries

if TYPE_CHECKING:
    from appliance.sdk.base import Base
    from appliance.sdk.connection import Connection

T = TypeVar("T")


class Service:
    """Of the network that this host's node is in. Made by `Client.service`; asks nothing until it is used."""

    def __init__(self, client: Base, name: str) -> None:
        self.name = name
        self._client = client
        self._around = client.around
        self._balancer = Balancer(Balancing(client.config.balancing), client.around.chance)
        self._instances: tuple[Instance, ...] = ()
        self._asked = float("-inf")

    # ---- who serves it ----

    async def discover(self, *, fresh: bool = False) -> tuple[Instance, ...]:
        """Who serves it, by what this host's node knows; a list that is younger than `discover_s` is not asked for again unless
        `fresh`. Without a network that is this host alone. Raises SDKError."""
        if fresh or self._around.now() - self._asked >= self._client.config.discover_s:
            self._take(await self._client.ask("services", {"service": self.name}))
        return self._instances

    async def watch(self) -> AsyncGenerator[tuple[Instance, ...], None]:
        """Who serves it now, and again whenever that changes. Use `contextlib.aclosing`. Raises SDKError when the node is
        gone."""
        async with self._client.following("services", {"service": self.name, "watch": True}) as items:
            async for told in items:
                self._take(told)
                yield self._instances

    def _take(self, told: Any) -> None:
        self._instances = tuple(Instance.of(each) for each in told)
        self._asked = self._around.now()
        self._balancer.update(instance.candidate() for instance in self._instances)

    # ---- calling it ----

    async def connect(self, *, metadata: Mapping[str, str] | None = None, deadline: float | None = None) -> Connection:
        """A stream to a good instance; one after the other is tried. Raises SDKError within `deadline` seconds."""

        async def keep(connection: Connection) -> Connection:
            return connection

        return await self._called(keep, metadata, deadline, attempt_s=None, keeps=True)

    async def call(
        self,
        use: Callable[[Connection], Awaitable[T]],
        *,
        metadata: Mapping[str, str] | None = None,
        deadline: float | None = None,
        attempt_s: float | None = None,
    ) -> T:
        """What `use` makes of a stream, which is closed then. It is called again with a stream to another instance if it fails
        with a retryable SDKError, or takes longer than `attempt_s`; so what it asks for must be safe to ask twice. To say that an
        answer is no good it raises BadAnswer. Raises the last error within `deadline` seconds."""
        return await self._called(use, metadata, deadline, attempt_s, keeps=False)

    @asynccontextmanager
    async def connection(
        self, *, metadata: Mapping[str, str] | None = None, deadline: float | None = None
    ) -> AsyncGenerator[Connection, None]:
        """A stream to a good instance for the time of the context; an SDKError in it counts against the instance. Raises what
        `connect` raises."""
        connection = await self.connect(metadata=metadata, deadline=deadline)
        try:
            async with connection:
                yield connection
        except SDKError:
            self._balancer.ejections.failed(connection.peer, self._around.now())
            raise

    @property
    def degraded(self) -> str:
        """What is wrong with the service as a whole, as far as this client saw; "" if nothing is."""
        return self._balancer.degraded(self._around.now())

    def report(self) -> dict[str, Any]:
        """Each instance, with what this client thinks of it."""
        return self._balancer.report(self._around.now())

    async def _called(
        self,
        use: Callable[[Connection], Awaitable[T]],
        metadata: Mapping[str, str] | None,
        deadline: float | None,
        attempt_s: float | None,
        *,
        keeps: bool,
    ) -> T:
        config = self._client.config
        seconds = config.deadline_s if deadline is None else deadline
        until = self._around.now() + seconds
        call, tried = Call("", self.name, dict(metadata or {}), seconds), list[str]()

        async def attempt(_number: int) -> T:
            await self.discover(fresh=not self._instances)
            node = self._balancer.pick(self._around.now(), tried)
            if node is None:
                raise NoInstance(
                    f"nobody serves {self.name}, as far as this host's node knows", hint="see: appliance service list"
                )
            tried.append(node)
            left = until - self._around.now()
            return await self._once(node, use, call.metadata, left if attempt_s is None else min(left, attempt_s), keeps=keeps)

        async def proceed(_call: Call) -> T:
            policy = RetryPolicy(config.attempts, self._client.backoff)
            return await with_retries(attempt, policy, self._client.budget, self._around, until=until)

        async with within(seconds, f"service {self.name}"):
            return await self._client.intercepted(call, proceed)

    async def _once(
        self,
        node: str,
        use: Callable[[Connection], Awaitable[T]],
        metadata: Mapping[str, str],
        seconds: float,
        *,
        keeps: bool,
    ) -> T:
        """One attempt with one instance, whose end is told to the balancer."""
        began, ejections = self._around.now(), self._balancer.ejections
        try:
            async with within(seconds, f"{self.name} of {node}"):
                connection = await self._opened(node, metadata, seconds)
                try:
                    result = await use(connection)
                except BaseException:
                    connection.reset()
                    raise
                if not keeps:
                    await connection.close()
        except ApplianceError:
            ejections.failed(node, self._around.now())
            raise
        else:
            ejections.succeeded(node, self._around.now() - began, self._around.now())
            return result
        finally:
            self._balancer.done(node)

    async def _opened(self, node: str, metadata: Mapping[str, str], seconds: float) -> Connection:
        try:
            return await self._client.open_stream(node, self.name, metadata, seconds)
        except (AccessDenied, ServiceNotFound, UnknownPeer) as error:
            error.retryable = True  # final there, but not elsewhere
            raise

    # ---- offering it ----

    async def register(
        self,
        *,
        health: HealthCheck | None = None,
        load: Callable[[], float] | None = None,
        metadata: Mapping[str, str] | None = None,
        config: ServiceConfig | None = None,
    ) -> Offering:
        """Serve it, and tell the network so, until the offering is closed. `health` says now and then whether it works, `load`
        how busy it is (0 to 1). Raises SDKError, ServiceTaken if another application of this host serves it."""
        listener = await self._client.listen(self.name)
        offering = Offering(self._client, listener, health, load, metadata or {}, config or ServiceConfig())
        try:
            await offering.start()
        except BaseException:
            await offering.close()
            raise
        return offering
