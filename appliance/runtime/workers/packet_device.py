"""What a node's workers read packets from and write them to, as the control process holds it.

A queue of a TUN device is one (`linux.tun.TunDevice`), and one end of a socket pair another: with that a node needs no host's
network, no root and no /dev/net/tun.
"""

from __future__ import annotations

import os
import socket
from typing import NamedTuple, Protocol

from appliance.worker import pairs


class PacketDevice(Protocol):
    """One worker's. `fd` is non-blocking and reads and writes whole packets; it stays open here, so that the next worker can have
    it when one dies."""

    @property
    def name(self) -> str:
        """The host's interface whose lost packets count as the node's; "": there is none."""

    @property
    def fd(self) -> int:
        """The descriptor that a worker gets."""

    @property
    def vnet_hdr(self) -> bool:
        """Does a virtio header (10 bytes, little-endian) stand before each packet? Then it may be a super-packet of up to 64 KiB,
        and may leave its checksum to be filled in."""

    @property
    def offloads(self) -> frozenset[str]:
        """What the kernel does for us there ("tso4", …)."""

    @property
    def pair(self) -> bool:
        """Is it one end of a socket pair? Such a one can end, and its worker with it; a TUN device can be lost and come again."""

    @property
    def lasts(self) -> bool:
        """Can a restarted control process have it again? Then its worker forwards on for a while without one."""

    def rest(self) -> None:
        """Its worker is gone for a while: let others have what would come by it, where that is possible. Raises OSError."""

    def serve(self) -> None:
        """There is a worker again. Raises OSError."""

    def has_ended(self) -> bool:
        """Will there never be anything to read again, because whoever had the other end closed it?"""


class PairDevice(NamedTuple):
    """The node's end of a pair that `packet_pair` made."""

    fd: int
    vnet_hdr: bool
    name: str = ""
    offloads: frozenset[str] = frozenset()
    pair: bool = True
    lasts: bool = True

    def rest(self) -> None:
        """Nothing to do: packets wait in the socket."""

    def serve(self) -> None:
        """Nothing to do: the new worker reads from the socket."""

    def has_ended(self) -> bool:
        """As PacketDevice.has_ended."""
        return pairs.hung_up(self.fd)

    def close(self) -> None:
        """Let go of this end. The application reads the end of file once the workers have ended, too."""
        os.close(self.fd)


def packet_pair(*, vnet_hdr: bool = False) -> tuple[PairDevice, socket.socket]:
    """A device, and the application's end of it (SOCK_SEQPACKET, blocking): one message is one packet in either direction.

    Without virtio headers, for a program that knows none, super-packets of peers come as the ordinary packets they stand for.
    With them the application must understand both (see `dataplane.vnet`), and needs a fraction of the calls.

    What the application does not read is dropped by the worker, and counted as `tun_refused`, once the socket is full; what it
    writes faster than the worker reads blocks it. A message that is no packet is dropped and counted as `malformed`. Closing the
    end, or shutting it down for writing, ends the worker.
    """
    ours, theirs = pairs.pair()
    ours.settimeout(0)
    return PairDevice(ours.detach(), vnet_hdr), theirs
