"""The connection to the node: what the API server asks, for its users and for itself."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from appliance.control.messages import OnBehalf
from appliance.errors import ApplianceError
from appliance.sdk.node import NodeConnection

SECONDS: Final = 10.0
"""How long the node may take about certificates."""
LAST_SECONDS: Final = 2.0
"""How long the node may take to hear why this process ends."""
ALIVE_EVERY: Final = 5.0
"""Seconds."""


class Settings(NamedTuple):
    """What the node tells its API server at the start."""

    name: str
    """Of the node."""
    identity: str
    """The fingerprint of its public identity."""
    version: str
    management: Mapping[str, Any]
    """The profile's section, as JSON."""
    pressure: Mapping[str, Any] = {}
    """`limits.pressure` of the profile, as JSON."""

    @property
    def added_roles(self) -> dict[str, tuple[str, ...]]:
        """Roles of the profile, by name."""
        return {name: tuple(permissions) for name, permissions in self.management["roles"].items()}


class NodeLink:
    """`ask` and `follow` raise SDKError. `ended()` is called when the node hangs up."""

    def __init__(self, connection: socket.socket) -> None:
        self._node = NodeConnection(connection)
        self._node.freed = self._freed
        self.ended: Callable[[], None] = lambda: None
        self.trouble: Callable[[], Mapping[str, str]] = dict
        """What is wrong with parts of this process, by the part; "" if nothing is."""
        self.heard: Callable[[], None] = lambda: None
        """Called with each answer."""
        self.short: Callable[[], Mapping[str, str]] = dict
        """What this process or its host is short of."""
        self.figures: Callable[[], Mapping[str, Any]] = dict
        """What parts of plugins tell in figures, by what they are of."""

    @property
    def closed(self) -> bool:
        """Has the node hung up?"""
        return self._node.closed

    async def settings(self) -> Settings:
        """What there is to serve."""
        told = (await self._node.ask("api_settings")).value
        return Settings(**told["node"], management=told["management"])

    async def tls_files(self) -> Mapping[str, str]:
        """The files of a certificate that the profile names: `certificate`, `key` and `clients`, "" for what it does not name."""
        async with asyncio.timeout(SECONDS):
            told: Mapping[str, str] = (await self._node.ask("api_tls_files")).value
        return told

    async def secret(self, reference: str) -> bytes:
        """What is in the file that the settings of a plugin name."""
        async with asyncio.timeout(SECONDS):
            told: str = (await self._node.ask("api_secret", {"reference": reference})).value["text"]
        return told.encode()

    async def tell_part(self, key: str, name: str, problem: str) -> None:
        """Tell the node how something of a plugin is; "" for well."""
        with suppress(ApplianceError, TimeoutError):
            async with asyncio.timeout(SECONDS):
                await self._node.ask("api_part", {"key": key, "name": name, "problem": problem})

    async def tell_certificate(self, pins: Mapping[str, str]) -> None:
        """Tell the node which certificate is in use."""
        async with asyncio.timeout(SECONDS):
            await self._node.ask("api_certificate", pins)

    async def tracing_headers(self) -> Mapping[str, str]:
        """Header fields for the collector of traces, as the file has them that the profile names."""
        async with asyncio.timeout(SECONDS):
            told: Mapping[str, str] = (await self._node.ask("api_tracing_headers")).value
        return told

    async def tell_tracing(self, figures: Mapping[str, Any]) -> None:
        """Tell the node how sending traces goes."""
        await self._node.ask("api_tracing", figures)

    async def ready(self) -> None:
        """Tell the node that requests are answered now."""
        await self._node.ask("api_ready")

    async def say_why(self, reason: str) -> None:
        """Tell the node why this process is about to end, if it listens."""
        with suppress(ApplianceError, TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                await self._node.ask("api_failed", {"reason": reason})

    async def say_alive(self) -> None:
        """Tell the node every few seconds that this event loop turns, and what is wrong with what is kept: it ends an API server
        that hangs."""
        with suppress(ApplianceError):
            while not self.closed:
                await self._node.ask("api_alive", {"trouble": self.trouble(), "short": self.short(), "figures": self.figures()})
                self.heard()
                await asyncio.sleep(ALIVE_EVERY)

    async def ask(self, op: str, arguments: Mapping[str, Any], whose: OnBehalf | None, seconds: float) -> Any:
        """The node's answer. Raises TimeoutError after `seconds`."""
        async with asyncio.timeout(seconds):
            answer = await self._node.ask(op, arguments, whose)
        self.heard()
        return answer.value

    async def follow(self, op: str, arguments: Mapping[str, Any], whose: OnBehalf | None) -> AsyncGenerator[Any, None]:
        """The items of a stream."""
        following = self._node.follow(op, arguments, whose)
        try:
            while (told := await following.next()) is not None:
                yield told.value
        finally:
            following.close()

    def close(self) -> None:
        """Hang up."""
        self._node.close()

    def _freed(self) -> None:
        if self._node.closed:
            self.ended()
