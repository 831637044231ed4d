"""What the hosts of a lab read of topics: each has a reader at its node, from the first probe on until its node ends."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from appliance.foundation import clock
from appliance.lab.host import Host
from appliance.sdk.errors import SDKError
from appliance.sdk.node import NodeConnection

TOPIC: Final = "lab"
PATIENCE: Final = 30.0
"""Seconds until a message counts as lost."""


class Spread(NamedTuple):
    """How messages of one host spread."""

    readers: int
    expected: int
    """Messages that the readers should have together."""
    came: int
    slowest: float
    """Seconds until the last of those that came was there."""
    without: tuple[str, ...]
    """Hosts that some of them did not reach."""


class TopicReaders:
    """Of one lab."""

    def __init__(self) -> None:
        self._conversations: dict[str, NodeConnection] = {}
        self._hearing: dict[str, asyncio.Task[None]] = {}
        self._came: dict[str, dict[str, float]] = {}
        """By host: when each message came."""
        self._news = asyncio.Event()

    async def read_on(self, hosts: Collection[Host]) -> bool:
        """Have a reader on each, and on no other. Returns whether any is new. Raises ApplianceError."""
        running = {host.name for host in hosts}
        for name in [name for name, reader in self._conversations.items() if name not in running or reader.closed]:
            self._end(name)
        new = [host for host in hosts if host.name not in self._conversations]
        await asyncio.gather(*(self._begin(host) for host in new))
        return bool(new)

    async def spread(self, source: Host, count: int) -> Spread:
        """Let `source` publish so many messages, one after the other, and wait until all readers have them. Raises
        ApplianceError."""
        readers = list(self._conversations)
        slowest, came, without = 0.0, 0, set[str]()
        for number in range(count):
            told, began = await self._publish(source, f"message {number}")
            with_it = await self._reached(told, readers)
            came += len(with_it)
            slowest = max([slowest, *(at - began for at in with_it.values())])
            without |= set(readers) - with_it.keys()
        return Spread(len(readers), count * len(readers), came, slowest, tuple(sorted(without)))

    def close(self) -> None:
        """End all."""
        for name in list(self._conversations):
            self._end(name)

    # ---- parts ----

    async def _begin(self, host: Host) -> None:
        conversation = await _conversation(host)
        self._conversations[host.name] = conversation
        following = conversation.follow("subscribe", {"topics": [TOPIC]})
        await following.next()
        came = self._came.setdefault(host.name, {})

        async def hear() -> None:
            try:
                while (told := await following.next()) is not None:
                    came[str(told.value.get("id"))] = clock.monotonic()
                    self._news.set()
            except SDKError:
                return  # its node has ended

        self._hearing[host.name] = asyncio.get_running_loop().create_task(hear(), name=f"topics of {host.name}")

    def _end(self, name: str) -> None:
        self._conversations.pop(name).close()
        hearing = self._hearing.pop(name, None)
        if hearing is not None:
            hearing.cancel()

    async def _publish(self, source: Host, text: str) -> tuple[str, float]:
        """The message's id, and when it was published."""
        conversation = await _conversation(source)
        try:
            began = clock.monotonic()
            told: Mapping[str, Any] = (await conversation.ask("publish", {"topic": TOPIC, "text": text})).value
            return str(told["id"]), began
        finally:
            conversation.close()

    async def _reached(self, message: str, readers: Collection[str]) -> dict[str, float]:
        """When it came, by host."""
        until = clock.monotonic() + PATIENCE
        while True:
            self._news.clear()
            found = {name: self._came[name][message] for name in readers if message in self._came[name]}
            left = until - clock.monotonic()
            if len(found) == len(readers) or left <= 0:
                return found
            try:
                async with asyncio.timeout(left):
                    await self._news.wait()
            except TimeoutError:
                continue


async def _conversation(host: Host) -> NodeConnection:
    return NodeConnection(await asyncio.to_thread(host.machine.control))
