"""What the worker reads packets from and writes them to: a queue of a TUN device, or one end of a SOCK_SEQPACKET pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from appliance.dataplane.inbound import Write, tun_writer
from appliance.dataplane.outbound import Read, tun_reader
from appliance.dataplane.pair import pair_reader
from appliance.dataplane.vnet import split
from appliance.worker.pairs import hung_up

if TYPE_CHECKING:
    from appliance.dataplane.peers import World


class Device(Protocol):
    """`descriptor` is non-blocking and gives and takes whole packets."""

    descriptor: int

    def reader(self, world: World) -> Read:
        """What reads a packet behind its virtio header."""

    def writer(self, world: World) -> Write:
        """What writes such; what is not taken is dropped and counted."""

    def has_ended(self, number: int) -> bool | None:
        """Reading gave that errno, or nothing (0): is there never to come anything again? None: another device may take its place
        under the same descriptor."""


class TunQueue:
    """A queue of a TUN device; `vnet`: with virtio headers."""

    def __init__(self, descriptor: int, *, vnet: bool) -> None:
        self.descriptor = descriptor
        self._vnet = vnet

    def reader(self, _world: World) -> Read:
        """As Device.reader."""
        return tun_reader(self.descriptor, self._vnet)

    def writer(self, world: World) -> Write:
        """As Device.writer."""
        return tun_writer(self.descriptor, world, self._vnet, split)

    def has_ended(self, _number: int) -> bool | None:
        """It would be readable without end: the control process makes the device anew, or gives this one again."""
        return None


class PairEnd:
    """One end of a SOCK_SEQPACKET pair; `vnet`: with virtio headers."""

    def __init__(self, descriptor: int, *, vnet: bool) -> None:
        self.descriptor = descriptor
        self._vnet = vnet

    def reader(self, world: World) -> Read:
        """As Device.reader. An application writes here, so what it writes is checked, and dropped when it is no packet."""
        return pair_reader(self.descriptor, self._vnet, world.drop)

    def writer(self, world: World) -> Write:
        """As Device.writer."""
        return tun_writer(self.descriptor, world, self._vnet, split)

    def has_ended(self, number: int) -> bool | None:
        """True once the other end is closed, or shut down for writing; before that, an empty message was read."""
        return number != 0 or hung_up(self.descriptor)
