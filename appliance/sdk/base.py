"""What services and meshes need of a client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from appliance.sdk.config import ClientConfig
from appliance.sdk.connection import Connection
from appliance.sdk.interceptors import Call, Proceed
from appliance.sdk.listener import Listener
from appliance.sdk.resilience.retrying import Backoff, RetryBudget, Surroundings

if TYPE_CHECKING:
    from appliance.sdk.node import Following

T = TypeVar("T")


class Base(Protocol):
    """`Client` is one."""

    config: ClientConfig
    around: Surroundings
    budget: RetryBudget
    backoff: Backoff

    async def open_stream(self, to: str, service: str | int, metadata: Mapping[str, str] | None, seconds: float) -> Connection:
        """One attempt at a stream. Raises SDKError."""
        ...

    async def listen(self, service: str) -> Listener[Connection]:
        """Serve under that name. Raises SDKError."""
        ...

    async def ask(self, op: str, args: Mapping[str, Any] | None = None) -> Any:
        """Ask the node. Raises SDKError."""
        ...

    def following(self, op: str, args: Mapping[str, Any] | None = None) -> AbstractAsyncContextManager[AsyncGenerator[Any, None]]:
        """Items of a stream of the node's. Raises SDKError."""
        ...

    async def follow(self, op: str, args: Mapping[str, Any] | None = None) -> Following:
        """A stream of the node's, all of whose items are taken at once. Raises SDKError."""
        ...

    async def intercepted(self, call: Call, proceed: Proceed[T]) -> T:
        """A call, with everything around it."""
        ...
