"""The networks this host comes into while the node runs: with each change of address we look whether the tunnel swallows one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from appliance.linux import address_events
from appliance.planning.local_networks import swallowed
from appliance.runtime.gathering import Gathered
from appliance.runtime.logging import get_logger

if TYPE_CHECKING:
    from appliance.api.planning import Advice
    from appliance.api.profile import Profile

log = get_logger("surroundings")

SETTLE_SECONDS = 0.1
"""How long changes are gathered: an interface that comes up gets several addresses."""


class Surroundings:
    """`profile()` is the one in force. `advice` is what an admin should know about the networks around just now."""

    def __init__(self, profile: Callable[[], Profile]) -> None:
        self._profile = profile
        self._events: socket.socket | None = None
        self._soon = Gathered(self.look, SETTLE_SECONDS)
        self.advice: tuple[Advice, ...] = ()

    def start(self) -> None:
        """Look, and again with each change. Needs the event loop."""
        self.look()
        try:
            self._events = address_events.listener()
        except OSError as error:
            log.warning("changes of addresses are not noticed", reason=str(error))
            return
        asyncio.get_running_loop().add_reader(self._events.fileno(), self._changed)

    async def close(self) -> None:
        """Look no more."""
        self._soon.cancel()
        if self._events is not None:
            asyncio.get_running_loop().remove_reader(self._events.fileno())
            self._events.close()
            self._events = None

    def look(self) -> None:
        """Look at the host's addresses now."""
        try:
            found = swallowed(self._profile(), address_events.addresses())
        except OSError as error:
            log.debug("the host's addresses cannot be read", error=error)
            return
        for one in found:
            if one not in self.advice:
                log.warning("the tunnel takes what is meant for a network around", reason=one.finding, hint=one.todo)
        self.advice = found

    def _changed(self) -> None:
        assert self._events is not None
        address_events.drain(self._events)
        self._soon.soon()
