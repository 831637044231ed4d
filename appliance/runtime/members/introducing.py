"""Calls those whom the profile names to begin with, until they are members: then they are peers like all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.api.values import Endpoint, is_address
from appliance.foundation.logging import get_logger, once_per
from appliance.protocol.events import StrangerEvent, StrangerGone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.api.profile_mesh import BootstrapEntry
    from appliance.runtime.members.mesh import Mesh

log = get_logger("mesh")

WITHIN: Final = 6.0
"""How long one is called at a time: at three endpoints, or twice at one."""
AGAIN_FIRST: Final = 1.0
AGAIN_MOST: Final = 30.0
"""Seconds until one that is no member yet is called again: at first, doubled each time, at most."""
NAMES_EVERY: Final = 60.0
"""Seconds between two look-ups of names in endpoints, once all are members."""
SAID_EVERY: Final = 300.0


class Introducing:
    """The calls of one mesh."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._given: dict[str, tuple[Endpoint, ...]] = {}
        """What `Mesh.reach` was told of each."""

    async def run(self) -> None:
        """For as long as the mesh runs."""
        pause = AGAIN_FIRST
        while True:
            missing = [entry for entry in self._mesh.settings.bootstrap if not await self._is_known(entry)]
            if not missing:
                pause = AGAIN_FIRST
            await self._mesh.parts.sleep(pause if missing else NAMES_EVERY)
            pause = min(2 * pause, AGAIN_MOST)

    def hear(self, event: StrangerEvent) -> None:
        """Somebody who was called, or has called, is no stranger any more, or gave up."""
        if isinstance(event, StrangerGone) and event.reason and once_per(SAID_EVERY, f"bootstrap {event.peer}"):
            log.warning("a member of mesh.bootstrap does not answer", identity=event.peer, reason=event.reason)

    async def _is_known(self, entry: BootstrapEntry) -> bool:
        """Is it a member here, or this node itself? If not, it is being called."""
        mesh, identity = self._mesh, entry.identity
        if identity == mesh.own:
            return True
        endpoints = await self._literals(entry.endpoints)
        if identity in mesh.members():
            if endpoints and self._given.get(identity) != endpoints:
                self._given[identity] = endpoints
                mesh.reach(identity, endpoints)
            return True
        if not mesh.problem:
            driver = mesh.parts.driver
            driver.node.call_stranger(identity, endpoints, WITHIN, mesh.parts.monotonic())
            driver.settle()
        return False

    async def _literals(self, endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
        """The same with addresses for names. What is not found is left out."""
        found: list[Endpoint] = []
        for endpoint in endpoints:
            if not endpoint.host or is_address(endpoint.host):
                found.append(endpoint)
                continue
            try:
                addresses = await self._mesh.parts.resolve(endpoint.host, endpoint.port)
            except OSError as error:
                if once_per(SAID_EVERY, f"bootstrap name {endpoint.host}"):
                    log.warning("a name in mesh.bootstrap is not found", name=endpoint.host, reason=str(error))
                continue
            found += [endpoint._replace(host=address) for address in addresses]
        return tuple(dict.fromkeys(found))
