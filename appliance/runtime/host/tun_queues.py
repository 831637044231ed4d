"""The queues of the node's TUN device, one for each worker: opened, lost to others, opened again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from appliance.foundation.logging import get_logger
from appliance.linux import glance
from appliance.runtime import settings
from appliance.runtime.in_force import InForce
from appliance.runtime.inside import HERE, Inside

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.linux.tun import TunDevice
    from appliance.runtime.workers.packet_device import PacketDevice

log = get_logger("host")

GONE_TRIES: Final = 50
GONE_PAUSE: Final = 0.02
"""Seconds between two looks whether a device is gone."""
Use = Callable[..., None]
"""`use(queues, device=…)`: as `WorkerKeeper.use_queues`."""


class Queues(Protocol):
    """What workers read packets from and write them to, as whoever changes the profile and watches the host has it."""

    @property
    def interface(self) -> str:
        """What the profile calls the device."""

    def open(self, profile: Profile) -> Sequence[PacketDevice]:
        """One for each worker, opened if they are not yet. Raises HostError."""
        ...

    async def close(self) -> None:
        """Let go of the device."""

    def is_there(self, interface: str) -> bool:
        """Is there an interface of that name, where the node's own is?"""

    def lost(self) -> bool:
        """Is the device that the workers read no longer the profile's?"""

    async def let_go(self) -> None:
        """Leave a device that is not the profile's any more."""

    def reopen(self) -> None:
        """Give the workers the device that has the profile's name now. Raises HostError."""

    def keep(self) -> None:
        """Let the workers read the device that they have left."""


class TunQueues:
    """`use` gives the workers that run other queues than they have."""

    def __init__(self, in_force: InForce, state_dir: Path, use: Use, inside: Inside = HERE) -> None:
        self._in_force = in_force
        self._state_dir = state_dir
        self._use = use
        self._inside = inside
        self._queues: list[TunDevice] = []

    @property
    def interface(self) -> str:
        """What the profile calls the device."""
        return self._in_force.profile.network.interface

    def open(self, profile: Profile) -> Sequence[TunDevice]:
        """The queues, opened if they are not yet: from then on packets wait for the workers in the device. Raises HostError."""
        if not self._queues:
            self._open(profile)
        return tuple(self._queues)

    async def close(self) -> None:
        """Let go of the device."""
        queues, self._queues = self._queues, []
        for queue in queues:
            queue.close()

    def is_there(self, interface: str) -> bool:
        """Is there an interface of that name, where the node's own is?"""
        return self._inside.call(glance.is_there, interface)

    def lost(self) -> bool:
        """Is the device that the workers read no longer the profile's: deleted, renamed, or in another namespace?"""
        return bool(self._queues) and not all(self._inside.call(queue.is_at, self.interface) for queue in self._queues)

    async def let_go(self) -> None:
        """Leave a device that is not the profile's any more. If an apply of ours made it, it goes with that, wherever it is."""
        before, ours = self._inside.call(self._queues[0].name_now), self._is_ours()
        for queue in self._queues:
            queue.let_go(ours=ours)
        self._use(tuple(self._queues), device=False)
        if ours:
            await self._gone(before)

    def reopen(self) -> None:
        """Give the workers the device that has the profile's name now. Raises HostError when that is none of ours."""
        before, self._queues = self._queues, []
        try:
            self._open(self._in_force.profile)
        except BaseException:
            for queue in self._queues:
                queue.close()
            self._queues = before
            raise
        self.keep()
        for queue in before:
            if not self._inside.call(
                queue.is_at, self.interface
            ):  # it went away while the other one was made, too late for `let_go`
                queue.let_go(ours=self._is_ours())
            queue.close()

    def keep(self) -> None:
        """Let the workers read the device that they have left."""
        self._use(tuple(self._queues), device=True)

    def _is_ours(self) -> bool:
        from appliance.apply import engine

        return self._inside.call(engine.has_made, self.interface, self._state_dir)

    def _open(self, profile: Profile) -> None:
        number, offload = settings.workers(profile), profile.network.offload == "auto"
        for _ in range(number):
            self._queues.append(self._inside.call(self._attach, profile.network.interface, offload, number > 1))
        if offload and not self._queues[0].offloads:
            log.warning("this kernel's TUN has no offloads: traffic will be slow", interface=profile.network.interface)

    def _attach(self, interface: str, offload: bool, multi_queue: bool) -> TunDevice:
        from appliance.linux import tun

        return tun.attach(interface, offload=offload, multi_queue=multi_queue, lasts=not self._inside.apart)

    async def _gone(self, interface: str) -> None:
        """Wait until the interface is no more: its last descriptor is a worker's, which closes it in a moment."""
        for _ in range(GONE_TRIES):
            if not self.is_there(interface):
                return
            await asyncio.sleep(GONE_PAUSE)
