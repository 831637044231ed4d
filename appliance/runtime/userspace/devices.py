"""The packet device of a node that has no TUN device, with the endpoint at its other end. It has the methods of
`host.tun_queues.TunQueues`, and never gets lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from appliance.linux.connections import Far
from appliance.runtime.userspace.datagrams import Datagrams
from appliance.runtime.userspace.endpoint import Endpoint
from appliance.runtime.userspace.sockets import UserspaceSockets
from appliance.runtime.workers.packet_device import PairDevice, packet_pair

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.runtime.in_force import InForce
    from appliance.runtime.userspace.streams import Stream


class UserspaceDevices:
    """One device: such a node has one worker. To be made on a running loop."""

    def __init__(self, in_force: InForce) -> None:
        network = in_force.profile.network
        self._in_force = in_force
        self._devices: tuple[PairDevice, ...] = ()
        self._endpoint = Endpoint(network.addresses, network.mtu)

    @property
    def interface(self) -> str:
        """What the profile calls the device."""
        return self._in_force.profile.network.interface

    @property
    def sockets(self) -> UserspaceSockets:
        """Makes sockets inside the overlay."""
        return UserspaceSockets(self._endpoint)

    def shown(self) -> dict[str, Any]:
        """For `status`."""
        return self._endpoint.figures()

    def use(self, profile: Profile) -> None:
        """The profile is this from now on."""
        self._endpoint.use(profile.network.addresses, profile.network.mtu)

    @property
    def connections(self) -> UserspaceConnections:
        """What applications have open."""
        return UserspaceConnections(self._endpoint)

    async def end(self) -> None:
        """Reset all connections, while peers can still be told."""
        self._endpoint.end()

    # ---- as TunQueues ----

    def open(self, profile: Profile) -> Sequence[PairDevice]:
        """The device, made if it is not there."""
        if not self._devices:
            device, theirs = packet_pair(vnet_hdr=True)
            self._devices = (device,)
            self.use(profile)
            self._endpoint.use_device(theirs)
        return self._devices

    async def close(self) -> None:
        """Let go of the device."""
        devices, self._devices = self._devices, ()
        self._endpoint.leave_device()
        for device in devices:
            device.close()

    def is_there(self, interface: str) -> bool:  # noqa: ARG002
        """It is."""
        return True

    def lost(self) -> bool:
        """Never."""
        return False

    async def let_go(self) -> None:
        """It is never in the way."""

    def reopen(self) -> None:
        """It is open."""

    def keep(self) -> None:
        """The workers read it."""


class UserspaceConnections:
    """As `policy.given.Connections`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def at_port(self, port: int) -> Mapping[Far, Stream | Datagrams]:
        """Whose there are at that port of ours."""
        found = self._endpoint.at_port(port)
        return {Far(ip_address(peer), number, isinstance(each, Datagrams)): each for (peer, number), each in found}

    def end(self, which: Sequence[Stream | Datagrams]) -> tuple[int, int]:
        """Break these off: none can refuse."""
        self._endpoint.break_off(which)
        return len(which), 0
