"""The search for direct paths as a part of the node: there while the profile wants it, and not even imported otherwise."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from appliance.api.profile import Paths as Wanted
from appliance.api.profile import Profile
from appliance.planning.membership import reserved
from appliance.runtime.peers.protocols import PeerProtocols
from appliance.runtime.plugins.calls import PluginCalls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from appliance.api.peer_protocol import PeerProtocolKind
    from appliance.api.values import Endpoint, Network
    from appliance.members.row import Reachable
    from appliance.protocol.events import ControlEvent
    from appliance.runtime.links.loops import Refuses
    from appliance.runtime.links.table import Links
    from appliance.runtime.links.transports import Transports
    from appliance.runtime.members.paths import Paths
    from appliance.runtime.node.driver import NodeDriver

FAMILY: Final = "paths"


class PathSearch:
    """Looks for direct paths as long as the profile wants it. `profile()` is the one in force."""

    def __init__(
        self,
        fingerprint: str,
        driver: NodeDriver,
        links: Links,
        transports: Transports,
        refuses: Refuses,
        mark: int | None,
        profile: Callable[[], Profile],
    ) -> None:
        self._fingerprint = fingerprint
        self._driver = driver
        self._links = links
        self._transports = transports
        self._refuses = refuses
        self._mark = mark
        self._profile = profile
        self._kinds: dict[str, PeerProtocolKind] = {}
        self._spoken = PeerProtocols(self._kinds, driver, PluginCalls())
        self.addresses: tuple[str, ...] = ()
        """This host's."""
        self.paths: Paths | None = None

    def hear(self, event: ControlEvent) -> None:
        """Something happened on the control channel."""
        self._spoken.hear(event)

    def use_addresses(self, addresses: Sequence[str]) -> None:
        """This host's addresses are these now."""
        self.addresses = tuple(addresses)
        if self.paths is not None:
            self.paths.use_addresses(self.addresses)

    def prepare(self, profile: Profile) -> None:
        """Before the first call: whence are peers called?"""
        self._transports.from_listeners = wanted(profile) is not None

    async def use(self, profile: Profile) -> None:
        """Begin or end what the profile no longer says."""
        self.prepare(profile)
        if wanted(profile) is None:
            await self.close()
        elif self.paths is None:
            self._kinds[FAMILY] = self._kind()
            await self._spoken.use({FAMILY: {}})
            self.use_addresses(self.addresses)
        else:
            self.paths.look_for_router()

    async def close(self) -> None:
        """Look for no more paths."""
        if self.paths is not None:
            paths, self.paths = self.paths, None
            await paths.close()
        await self._spoken.close()

    def figures(self) -> Mapping[str, Mapping[str, int]]:
        """What happened in the family, while it is spoken."""
        return self._spoken.figures()

    def report(self) -> dict[str, Any] | None:
        """What is known of the paths, for the status. None while none are looked for."""
        if self.paths is None:
            return None
        from appliance.runtime.members.path_report import report

        return report(self.paths)

    def endpoints(self) -> list[Reachable]:
        """Where this node can be called, as far as it knows."""
        from appliance.runtime.members.own_row import own_endpoints

        networks = _overlay(self._profile())
        outside = [text for text in self.addresses if not any(ip_address(text) in network for network in networks)]
        return own_endpoints(self._transports.bound.values(), outside, self._announced(), self.paths)

    def _kind(self) -> PeerProtocolKind:
        from appliance.runtime.links.extra_ports import ExtraPorts
        from appliance.runtime.members.path_hands import Around
        from appliance.runtime.members.paths import kind_for

        def opened(paths: Paths) -> None:
            self.paths = paths

        around = Around(
            self._fingerprint,
            self._driver,
            self._links,
            self._refuses,
            overlay=lambda: _overlay(self._profile()),
            announced=self._announced,
            ports=ExtraPorts(self._transports),
            maps_ports=self._maps_ports,
            idle=lambda: self._profile().limits.idle,
            mark=self._mark,
        )
        return kind_for(around, opened)

    def _announced(self) -> Sequence[Endpoint]:
        paths = wanted(self._profile())
        return paths.announce if paths is not None else ()

    def _maps_ports(self) -> bool:
        paths = wanted(self._profile())
        return paths is not None and paths.port_mapping


def _overlay(profile: Profile) -> list[Network]:
    return [*(address.network for address in profile.network.addresses), *reserved(profile)]


def wanted(profile: Profile) -> Wanted | None:
    """What the profile says of direct paths. In a network of members they are always looked for."""
    if profile.paths is None and profile.mesh is not None:
        return Wanted()
    return profile.paths
