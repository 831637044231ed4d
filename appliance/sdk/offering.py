"""A service that this program offers to the network: its streams, and its health as the network hears of it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks
from appliance.sdk.errors import NodeGone, SDKError

if TYPE_CHECKING:
    from appliance.sdk.base import Base
    from appliance.sdk.connection import Connection
    from appliance.sdk.listener import Listener

log = get_logger("sdk")

HealthCheck = Callable[[], bool | Awaitable[bool]]
"""Does the service work? False and any exception say no. One that is not asynchronous is called on the event loop, so it should
be quick."""


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """How a service's health is checked. Seconds end in `_s`."""

    every_s: float = 5.0
    """Between two checks."""
    timeout_s: float = 2.0
    """A check that takes longer says no."""
    fall: int = 2
    """Checks in a row that say no until the service is said to fail."""
    rise: int = 1
    """Checks in a row that say yes until it is said to work again."""


class HealthState:
    """What checks in a row come to. Pure."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._in_a_row = 0
        self.passing = True

    def checked(self, *, good: bool) -> bool:
        """A check said that. Returns what the service is said to be."""
        self._in_a_row = 0 if good is self.passing else self._in_a_row + 1
        if self._in_a_row >= (self._config.fall if self.passing else self._config.rise):
            self.passing, self._in_a_row = good, 0
        return self.passing


class Offering:
    """`async for connection in offering:`; made by `Service.register`. Closing it ends the service and takes it back from the
    network."""

    def __init__(
        self,
        client: Base,
        listener: Listener[Connection],
        health: HealthCheck | None,
        load: Callable[[], float] | None,
        metadata: Mapping[str, str],
        config: ServiceConfig,
    ) -> None:
        self.service = listener.service
        self._client = client
        self._listener = listener
        self._health = health
        self._load = load
        self._metadata = dict(metadata)
        self._config = config
        self._state = HealthState(config)
        self._told: dict[str, object] = {}
        self._closed = False
        self._tasks = Tasks()

    async def start(self) -> None:
        """Check once, tell the network, and go on checking. Raises SDKError."""
        await self.check()
        if self._health is not None or self._load is not None:
            self._tasks.spawn(self._keep_checking(), f"health of service {self.service}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Connection:
        while True:
            try:
                return await anext(self._listener)
            except NodeGone:
                if self._closed:
                    raise StopAsyncIteration from None
                await self._again()

    async def accept(self) -> Connection:
        """The next stream. While the node is away this waits until it is back, and offers the service anew. Raises SDKError when
        the offering is closed."""
        try:
            return await anext(self)
        except StopAsyncIteration:
            raise SDKError(f"service {self.service} is offered no more") from None

    @property
    def closed(self) -> bool:
        """Was it closed here?"""
        return self._closed

    @property
    def passing(self) -> bool:
        """Is the service said to work?"""
        return self._state.passing

    async def check(self) -> bool:
        """Check now, and tell the network what is new. Returns whether the service is said to work. Raises SDKError."""
        good = await self._works()
        passing = self._state.checked(good=good) if self._told else good
        self._state.passing = passing
        await self._tell()
        return passing

    async def describe(self, metadata: Mapping[str, str]) -> None:
        """The network is told this metadata from now on. Raises SDKError."""
        self._metadata = dict(metadata)
        await self._tell()

    async def close(self) -> None:
        """Serve no more, and take the service back from the network. Streams that were taken go on."""
        self._closed = True
        await self._tasks.close()
        await self._listener.close()

    deregister = close

    async def _again(self) -> None:
        """Serve and offer it once the node is back. Raises SDKError if that says no."""
        failed = 0
        while not self._closed:
            failed += 1
            await asyncio.sleep(self._client.backoff.wait(failed, self._client.around.chance))
            try:
                listener = await self._client.listen(self.service)
            except NodeGone:
                continue
            await self._listener.close()
            self._listener = listener
            if self.closed:
                await listener.close()
                return
            self._told = {}
            await self._tell()
            return

    async def _tell(self) -> None:
        told: dict[str, object] = {
            "service": self.service,
            "health": "passing" if self._state.passing else "failing",
            "load": self._busy(),
            "metadata": self._metadata,
        }
        if told != self._told:
            await self._client.ask("service_health", told)
            self._told = told

    def _busy(self) -> int:
        """Per cent, in steps of ten."""
        return 0 if self._load is None else min(100, max(0, round(self._load() * 10) * 10))

    async def _works(self) -> bool:
        if self._health is None:
            return True
        try:
            async with asyncio.timeout(self._config.timeout_s):
                said = self._health()
                return bool(await said if inspect.isawaitable(said) else said)
        except Exception as error:  # noqa: BLE001  the check is the program's own, and whatever it raises says no
            log.debug("a health check failed", service=self.service, reason=repr(error))
            return False

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.sleep(self._config.every_s)
            try:
                await self.check()
            except SDKError as error:
                log.warning("the network does not hear of a service's health", service=self.service, reason=str(error))
