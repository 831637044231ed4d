"""Meeting by chance (`members.far_ports`): one side sends from hundreds of ports, the other to a thousand drawn ones."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from appliance.api.values import Endpoint
from appliance.foundation import clock, entropy
from appliance.members.far_ports import FANNED, SPRAY_PER_SECOND, SPRAY_SECONDS, Attempts, drawn
from appliance.members.reflections import Mapping
from appliance.runtime.members.path_hands import Hands

if TYPE_CHECKING:
    from appliance.runtime.links.table import Link

TURN_SECONDS: Final = 0.05
"""Between two handfuls of probes: ten each."""
LINGER_SECONDS: Final = 3.0
"""How long the ports stay after the round: by then a session that moved to one has a socket of its own there."""


class Chance:
    """The attempts of one node, one at a time."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self.attempts = Attempts()

    def begin(self, peer: str, mapping: str, target: Endpoint, wait: float) -> None:
        """Begin this side's half in `wait` seconds, with the peer seen at `target`. `mapping` is this side's NAT's."""
        half = self._fan if mapping == Mapping.DEPENDENT else self._spray
        self._hands.services.spawn(half(peer, target, wait), f"meet {peer} by chance")

    async def fresh(self, target: Endpoint, seconds: float) -> int:
        """A socket of its own for one round of so many seconds: where the NAT counts, only a fresh flow gets the port that was
        foretold. Its link's number; 0 if there is none."""
        listener = self._hands.listener_for(target)
        if listener is None:
            return 0
        opened: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._hands.services.spawn(self._keep(listener, seconds, opened), "keep a port for a round")
        return await opened

    async def _keep(self, listener: Link, seconds: float, opened: asyncio.Future[int]) -> None:
        async with self._hands.around.ports.beside(listener) as links:
            opened.set_result(links[0].number if links else 0)
            await self._hands.services.sleep(seconds + LINGER_SECONDS)

    async def _spray(self, peer: str, target: Endpoint, wait: float) -> None:
        """Send to a thousand ports of the peer's NAT."""
        listener = self._hands.listener_for(target)
        if listener is None:
            return
        await self._hands.services.sleep(wait)
        for number, port in enumerate(drawn(entropy.random_bytes), 1):
            if self._hands.is_direct(peer):
                return
            self._send(peer, listener.number, target._replace(port=port))
            if not number % round(SPRAY_PER_SECOND * TURN_SECONDS):
                await self._pause()

    async def _fan(self, peer: str, target: Endpoint, wait: float) -> None:
        """Send from hundreds of ports, so that this side's NAT lets the peer in at as many."""
        listener = self._hands.listener_for(target)
        if listener is None:
            return
        async with self._hands.around.ports.beside(listener, FANNED) as links:
            await self._hands.services.sleep(wait)
            end = clock.monotonic() + SPRAY_SECONDS
            for number, link in enumerate(links, 1):
                self._send(peer, link.number, target)
                if not number % round(SPRAY_PER_SECOND * TURN_SECONDS):
                    await self._pause()
            while clock.monotonic() < end and not self._hands.is_direct(peer):
                await self._hands.services.sleep(TURN_SECONDS)
            await self._hands.services.sleep(LINGER_SECONDS)

    def _send(self, peer: str, link: int, target: Endpoint) -> None:
        """One probe, from the budget of the attempt."""
        self._hands.node.probe_path(peer, link, (target.host, target.port), clock.monotonic())

    async def _pause(self) -> None:
        self._hands.settle()
        await self._hands.services.sleep(TURN_SECONDS)
