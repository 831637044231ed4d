"""Datagrams of many local senders to services of peers: each sender and destination has a flow of its own, opened when its first
datagram comes, and closed when it was silent for long."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Final

from appliance.sdk.datagrams import Datagrams
from appliance.sdk.errors import SDKError

IDLE_SECONDS: Final = 60.0
MOST: Final = 256
"""Flows at a time; beyond, the one that was silent for longest makes room."""
MOST_WAITING: Final = 64
"""Datagrams that wait for a flow to open."""

Open = Callable[[], Awaitable[Datagrams]]
Back = Callable[[bytes], None]


class Flows:
    """`counted`: flows that were "opened", and datagrams that went "there" and "back" or were "lost"."""

    def __init__(self, idle: float = IDLE_SECONDS, most: int = MOST, failed: Callable[[SDKError], None] | None = None) -> None:
        self._idle = idle
        self._most = most
        self._failed = failed
        self._flows: OrderedDict[Hashable, _Flow] = OrderedDict()
        self.counted: Counter[str] = Counter()
        self.bytes_there = 0
        self.bytes_back = 0

    def __len__(self) -> int:
        return len(self._flows)

    def send(self, key: Hashable, data: bytes, opened: Open, back: Back) -> None:
        """Send a datagram on the flow of `key`, which is opened by `opened` if there is none; `back` gets what returns."""
        flow = self._flows.get(key)
        if flow is None or flow.task.done():
            if len(self._flows) >= self._most:
                self._drop(next(iter(self._flows)))
            flow = self._flows[key] = _Flow()
            flow.task = asyncio.get_running_loop().create_task(self._run(key, flow, opened, back), name="a flow of datagrams")
            self.counted["opened"] += 1
        self._flows.move_to_end(key)
        if len(flow.waiting) >= MOST_WAITING:
            self.counted["lost"] += 1
            return
        flow.waiting.append(data)
        flow.there.set()

    async def close(self) -> None:
        """End all."""
        tasks = [flow.task for flow in self._flows.values()]
        for key in list(self._flows):
            self._drop(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _drop(self, key: Hashable) -> None:
        self._flows.pop(key).task.cancel()

    async def _run(self, key: Hashable, flow: _Flow, opened: Open, back: Back) -> None:
        try:
            async with await opened() as datagrams:
                returning = asyncio.get_running_loop().create_task(self._return(datagrams, flow, back), name="datagrams back")
                try:
                    await self._forward(datagrams, flow)
                finally:
                    returning.cancel()
                    await asyncio.gather(returning, return_exceptions=True)
        except SDKError as error:
            self.counted["lost"] += len(flow.waiting)
            if self._failed is not None:
                self._failed(error)
        finally:
            if self._flows.get(key) is flow:
                del self._flows[key]

    async def _forward(self, datagrams: Datagrams, flow: _Flow) -> None:
        """Until nothing was said for long, either way."""
        while True:
            flow.heard = False
            try:
                async with asyncio.timeout(self._idle):
                    await flow.there.wait()
            except TimeoutError:
                if flow.heard:
                    continue
                return
            flow.there.clear()
            while flow.waiting:
                data = flow.waiting.popleft()
                await datagrams.send(data)
                self.counted["there"] += 1
                self.bytes_there += len(data)

    async def _return(self, datagrams: Datagrams, flow: _Flow, back: Back) -> None:
        while True:
            data = await datagrams.receive()
            flow.heard = True
            self.counted["back"] += 1
            self.bytes_back += len(data)
            back(data)


async def exchange(one: Datagrams, other: Datagrams, idle: float = IDLE_SECONDS) -> None:
    """Carry datagrams between two until neither says anything for `idle` seconds. Raises SDKError when one of them is lost."""
    loop = asyncio.get_running_loop()
    heard = loop.time()

    async def carry(source: Datagrams, sink: Datagrams) -> None:
        nonlocal heard
        while True:
            data = await source.receive()
            heard = loop.time()
            await sink.send(data)

    carrying = [loop.create_task(carry(*pair), name="datagrams") for pair in ((one, other), (other, one))]
    try:
        while (left := heard + idle - loop.time()) > 0:
            done, _ = await asyncio.wait(carrying, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)


class _Flow:
    task: asyncio.Task[None]

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self.there = asyncio.Event()
        self.heard = False
