"""Is the overlay there? A probe each tenth of a second goes there and back while whatever happens happens."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from appliance.lab import tools
from appliance.lab.host import Host
from tests.rigs.labs import bound

EVERY_SECONDS: Final = 0.1
ANSWER_SECONDS: Final = 1.0
"""A probe answered later counts as lost."""
PROBE = struct.Struct("!Q")


@dataclass
class Probes:
    """When each probe was sent, on the loop's clock, and which came back in time."""

    sent: list[float] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)
    _cuts: list[tuple[float, float]] = field(default_factory=list)

    def excuse(self, begun: float, ended: float) -> None:
        """The wire itself was away: probes under way then say nothing about the overlay."""
        self._cuts.append((begun, ended))

    def counted(self) -> list[int]:
        """The probes that say something."""
        return [
            number
            for number, at in enumerate(self.sent)
            if not any(begun - ANSWER_SECONDS <= at <= ended for begun, ended in self._cuts)
        ]

    def lost(self, since: float = 0.0) -> list[float]:
        """When those probes were sent that count and did not come back."""
        return [at for number in self.counted() if number not in self.answered and (at := self.sent[number]) >= since]

    @property
    def availability(self) -> float:
        """The part of the probes that came back."""
        return 1 - len(self.lost()) / max(1, len(self.counted()))


@asynccontextmanager
async def probing(near: Host, far: Host) -> AsyncIterator[Probes]:
    """Probe until the end, and wait for the last answer then."""
    loop = asyncio.get_running_loop()
    here, there = (host.namespace.call(bound, tools.address_of(host, 4)) for host in (near, far))
    probes, target = Probes(), there.getsockname()

    def echo() -> None:
        data, source = there.recvfrom(PROBE.size)
        there.sendto(data, source)

    def hear() -> None:
        (number,) = PROBE.unpack(here.recv(PROBE.size))
        if loop.time() - probes.sent[number] <= ANSWER_SECONDS:
            probes.answered.add(number)

    async def ask() -> None:
        due = loop.time()
        while True:
            probes.sent.append(loop.time())
            with suppress(OSError):  # no interface, no route: a probe that is lost
                here.sendto(PROBE.pack(len(probes.sent) - 1), target)
            due = max(due + EVERY_SECONDS, loop.time())
            await asyncio.sleep(due - loop.time())

    for end in (here, there):
        end.settimeout(0)
    loop.add_reader(there, echo)
    loop.add_reader(here, hear)
    asking = asyncio.create_task(ask())
    try:
        yield probes
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await asyncio.sleep(ANSWER_SECONDS)
        loop.remove_reader(there)
        loop.remove_reader(here)
        here.close()
        there.close()
