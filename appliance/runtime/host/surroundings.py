"""The networks this host comes into while the node runs: with each change of address we look whether the tunnel swallows one,
and tell the data plane which addresses are this host's.

A rootless node's tunnel swallows none, and the addresses that are its own are those of its inner network; what goes to peers
leaves from the host's all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from appliance.foundation.gathering import Gathered
from appliance.foundation.logging import get_logger, once_per
from appliance.linux import address_dump, glance
from appliance.linux.events import HostEvents
from appliance.planning.local_networks import MOST_HELD, held, swallowed
from appliance.runtime.inside import HERE, Inside

if TYPE_CHECKING:
    from appliance.api.planning import Advice
    from appliance.api.profile import Profile

log = get_logger("surroundings")

SAID_EVERY = 3600.0
SETTLE_SECONDS = 0.1
"""How long changes are gathered: an interface that comes up gets several addresses."""


class Surroundings:
    """`profile()` is the one in force, `hold(addresses)` hears of this host's addresses. `advice` is what an admin should know
    about the networks around just now."""

    def __init__(
        self,
        profile: Callable[[], Profile],
        hold: Callable[[tuple[str, ...]], None],
        send_from: Callable[[tuple[str, ...]], None] = lambda _addresses: None,
        inside: Inside = HERE,
    ) -> None:
        """`send_from(addresses)` hears of those whose interface is up: what goes outside leaves from these."""
        self._send_from = send_from
        self._profile = profile
        self._hold = hold
        self._inside = inside
        self._around: HostEvents | None = None
        self._watching = False
        self._soon = Gathered(self.look, SETTLE_SECONDS)
        self.advice: tuple[Advice, ...] = ()

    def start(self) -> None:
        """Look, and from now on again with each change."""
        self._watching = True
        if self._inside.apart:
            self._around = HostEvents((), "", self.changed)
            for descriptor in self._around.filenos():
                asyncio.get_running_loop().add_reader(descriptor, self._around.changed)
        self.look()

    async def close(self) -> None:
        """Look no more."""
        self._watching = False
        self._soon.cancel()
        if self._around is not None:
            for descriptor in self._around.filenos():
                asyncio.get_running_loop().remove_reader(descriptor)
            self._around.close()
            self._around = None

    def changed(self) -> None:
        """An address came or went."""
        if self._watching:
            self._soon.soon()

    def look(self) -> None:
        """Look at the host's addresses now."""
        try:
            own = self._inside.call(address_dump.addresses)
            addresses = address_dump.addresses() if self._inside.apart else own
        except OSError as error:
            log.debug("the host's addresses cannot be read", error=error)
            return
        self._hold_own(held(own))
        down = {link for link in {entry["link"] for entry in addresses} if not glance.is_up(link)}
        self._send_from(held(entry for entry in addresses if entry["link"] not in down)[:MOST_HELD])
        found = () if self._inside.apart else swallowed(self._profile(), addresses)
        for one in found:
            if one not in self.advice:
                log.warning("the tunnel takes what is meant for a network around", reason=one.finding, hint=one.todo)
        self.advice = found

    def _hold_own(self, addresses: tuple[str, ...]) -> None:
        if len(addresses) > MOST_HELD and once_per(SAID_EVERY, "too many addresses"):
            log.warning("the host has too many addresses: peers may speak for some of them", has=len(addresses), most=MOST_HELD)
        self._hold(addresses[:MOST_HELD])
