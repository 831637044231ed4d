"""What a gateway is: another way to ask for the operations of the API server, such as GraphQL.

A gateway translates, and nothing else: each operation that it asks for is authenticated, authorised, counted and logged as if it
had been asked for over HTTP by the same caller.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from appliance.api.api_parts import ApiServices

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ApiOperation(NamedTuple):
    """An operation of the API server (docs/api.md)."""

    name: str
    """Words with dots between them: "peers.list"."""
    summary: str
    """A line."""
    changes: bool
    """Is anything different afterwards?"""
    stream: bool
    """Is the answer a stream of items?"""
    arguments: Mapping[str, Any]
    """JSON Schema of the arguments: an object. What it refers to by `$ref` is in `GatewayServices.schemas`."""
    result: Mapping[str, Any]
    """JSON Schema of the answer, or of each item's `data`; as `arguments`."""


class GatewayServices(ApiServices, Protocol):
    """What the core gives to a gateway."""

    def operations(self) -> Sequence[ApiOperation]:
        """All operations that can be asked for."""

    def schemas(self) -> Mapping[str, Mapping[str, Any]]:
        """JSON Schemas by name: "#/components/schemas/NAME" refers to them."""

    async def call(self, scope: Scope, name: str, arguments: Mapping[str, Any]) -> Any:
        """The answer to an operation that is no stream, for the caller of the request `scope`. Raises ApplianceError."""

    def follow(self, scope: Scope, name: str, arguments: Mapping[str, Any]) -> AsyncGenerator[Mapping[str, Any], None]:
        """The items of one that is a stream, as HTTP has them: `event` and `id` where there are any, and `data`. Close the
        iterator (`aclose`) when nobody wants them any more. Raises ApplianceError."""


class Gateway(Protocol):
    """An application of ASGI 3, which gets the requests below its path, HTTP and WebSocket."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one. What is raised here becomes an answer with the status 500, and a line in the log."""


class GatewayKind(NamedTuple):
    """A gateway as registered by `appliance_gateways()`; see `api.kinds`. `name` is a key below `management.gateways` in a
    profile, and the gateway's path: /api/v1/gateways/NAME."""

    name: str
    settings: Callable[[], type[Any]] | None
    open: Callable[[Any, GatewayServices], AbstractAsyncContextManager[Gateway]]
    imports: tuple[str, ...] = ()
    """As in `api.stores.StoreKind`."""
