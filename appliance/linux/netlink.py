"""One rtnetlink session: dumps, requests, and waiting for the kernel to say that something changed.

The session belongs to the network namespace in which it was opened. pyroute2 is imported on opening, because `appliance --help`
should not pay for it.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Literal, Self

from appliance.errors import HostError
from appliance.linux import pyroute
from appliance.linux.refusals import refused

Noun = Literal["link", "addr", "route", "rule"]

DUMP_ATTEMPTS = 5
"""The kernel interrupts a dump if the table changes meanwhile. On a busy router the third attempt is usually whole."""


class Netlink:
    """An async context manager over pyroute2's AsyncIPRoute. One task uses it at a time."""

    def __init__(self) -> None:
        self._requests: Any = None
        self._events: Any = None
        self._dumps: dict[Noun, Any] = {}

    async def __aenter__(self) -> Self:
        self._requests = pyroute.load().session()
        self._dumps = {
            "link": self._requests.get_links,
            "addr": self._requests.get_addr,
            "route": self._requests.get_routes,
            "rule": self._requests.get_rules,
        }
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for session in (self._events, self._requests):
            if session is not None:
                session.close()
        self._events = self._requests = None

    async def dump(self, noun: Noun) -> list[Any]:
        """Everything of a kind, as pyroute2's messages, from one uninterrupted dump."""
        exceptions = pyroute.load().exceptions
        for _ in range(DUMP_ATTEMPTS):
            try:
                return [message async for message in await self._dumps[noun]()]
            except exceptions.NetlinkDumpInterrupted:
                continue
            except exceptions.NetlinkError as error:
                raise refused(error.code, f"reading the {noun} table") from error
        raise HostError(f"the {noun} table changes too fast to be read whole", hint="try again when routing has settled")

    async def request(
        self, noun: Noun, command: str, *, tolerate: frozenset[int] = frozenset(), doing: str, **fields: Any
    ) -> bool:
        """One change. False if the kernel refused with one of the errnos in `tolerate`. Any other refusal raises."""
        exceptions = pyroute.load().exceptions
        try:
            await getattr(self._requests, noun)(command, **fields)
        except exceptions.NetlinkError as error:
            if error.code in tolerate:
                return False
            raise refused(error.code, doing) from error
        return True

    async def listen(self) -> None:
        """From now on remember what the kernel reports, so that `changed` misses nothing."""
        if self._events is None:
            self._events = pyroute.load().session()
            await self._events.bind()

    async def changed(self, within: float) -> bool:
        """Wait until the kernel reports a change of links, addresses, routes or rules. False if none came within `within`
        seconds."""
        try:
            async with asyncio.timeout(within):
                async for _ in self._events.get():
                    return True
        except TimeoutError:
            return False
        return True
