"""The gateways of an API server, each at its path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from appliance.api.gateways import ApiOperation, Gateway
from appliance.api_server.answering import request_id
from appliance.api_server.gateways.calls import GatewayCalls
from appliance.api_server.plugins.services import Joints, PartServices
from appliance.api_server.problems import NotFound, bug, problem
from appliance.errors import ApplianceError, ExitCode
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import cancelled

log = get_logger("api")


class GatewayNotOpen(ApplianceError):
    """The profile names that gateway, and it does not run now."""

    exit_code = ExitCode.RETRY
    retryable = True


class Gateways:
    """`answer` is an application of ASGI for what is below PATH."""

    PATH: Final = "/api/v1/gateways"

    def __init__(self, calls: GatewayCalls) -> None:
        self._calls = calls
        self._open: dict[str, Gateway] = {}
        self._known: set[str] = set()

    def services(self, joints: Joints, plugin: str, key: str, name: str) -> PartServices:
        """What one of them gets."""
        self._known.add(name)
        return _Services(self._calls, joints, plugin, key, name)

    async def use(self, name: str, gateway: Gateway) -> None:
        """Let that one answer until this is cancelled."""
        self._open[name] = gateway
        try:
            await asyncio.Event().wait()
        finally:
            del self._open[name]

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        name = scope["path"].removeprefix(scope.get("root_path", "")).strip("/").partition("/")[0]
        gateway = self._open.get(name)
        if gateway is None:
            await _refuse(self._missing(name), scope, receive, send)
            return
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await gateway(scope, receive, sent)
        except BaseException as error:  # whatever it is, it is the plugin's
            if isinstance(error, asyncio.CancelledError) and cancelled():
                raise
            log.exception("a gateway failed", gateway=name)
            if not begun:
                await _refuse(bug(f"the gateway {name}"), scope, receive, send)

    def _missing(self, name: str) -> ApplianceError:
        if name in self._known:
            return GatewayNotOpen(f"the gateway {name} does not run now", hint="`appliance plugins` on the node says why")
        return NotFound("nothing is at this path", hint="see /api/v1/openapi.json")


class _Services(PartServices):
    """`api.gateways.GatewayServices`."""

    def __init__(self, calls: GatewayCalls, joints: Joints, plugin: str, key: str, name: str) -> None:
        super().__init__(joints, plugin, key, name)
        self._calls = calls

    def operations(self) -> Sequence[ApiOperation]:
        return self._calls.operations()

    def schemas(self) -> Mapping[str, Mapping[str, Any]]:
        return self._calls.schemas()

    async def call(self, scope: Scope, name: str, arguments: Mapping[str, Any]) -> Any:
        return await self._calls.call(scope, name, arguments)

    async def follow(self, scope: Scope, name: str, arguments: Mapping[str, Any]) -> AsyncGenerator[Mapping[str, Any], None]:
        async with aclosing(self._calls.follow(scope, name, arguments)) as items:
            async for item in items:
                yield item


async def _refuse(error: ApplianceError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1011, "reason": error.message[:100]})
        return
    await problem(error, request_id(Request(scope)))(scope, receive, send)
