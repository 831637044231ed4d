"""The UDP socket: many packets in a call each way (UDP_GRO, UDP_SEGMENT), and answers from the address that was spoken to.

On a socket bound to all addresses, recvmsg(2) tells by IP_PKTINFO which one a packet was sent to (ip(7), RFC 3542, section 6).
"""

from __future__ import annotations

import errno
import socket
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from appliance_transport_quic.connection import KernelAddress

SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104
IP_PKTINFO, IPV6_RECVPKTINFO, IPV6_PKTINFO = 8, 49, 50
ROOM: Final = 65536
ANCILLARY: Final = socket.CMSG_SPACE(4) + socket.CMSG_SPACE(20)
BUDGET: Final = 16
"""Calls in one turn."""
MOST_SEGMENTS: Final = 48
"""Packets in one call: as many of ours as 64 KiB hold; kernels take 64."""

_segment = struct.Struct("=i")
_size = struct.Struct("=H")
_v4 = struct.Struct("=i4s4s")
_v6 = struct.Struct("=16si")

Message = tuple[int, int, bytes]
Spoken = tuple[Message, ...]
"""What sendmsg(2) needs so that a packet leaves from an address; empty if there is only one."""
NOWHERE: Final[Spoken] = ()


class Came(NamedTuple):
    """What one call brought."""

    data: bytes
    segment: int
    """Bytes of each packet; the last may be shorter."""
    source: KernelAddress
    spoken_to: Spoken


class Outside:
    """One UDP socket, bound or connected."""

    def __init__(self, sock: socket.socket, counted: Counter[str]) -> None:
        self.sock = sock
        self._counted = counted
        self._rx = memoryview(bytearray(ROOM))
        self._gso = True
        self.problem = ""
        """What the network said of a connected socket's far end, or of the way to it; "" if nothing."""
        self._v6 = sock.family == socket.AF_INET6
        sock.setsockopt(SOL_UDP, UDP_GRO, 1)
        try:
            sock.getpeername()
            self._connected = True
        except OSError:
            self._connected = False
            self._ask_for_addresses()

    def _ask_for_addresses(self) -> None:
        if self.sock.getsockname()[0] in ("0.0.0.0", "::"):
            level, option = (socket.IPPROTO_IPV6, IPV6_RECVPKTINFO) if self._v6 else (socket.IPPROTO_IP, IP_PKTINFO)
            self.sock.setsockopt(level, option, 1)

    def receive(self) -> Iterator[Came]:
        """What waits, as much as one turn may take. Raises OSError when the network says that nobody is there."""
        for _ in range(BUDGET):
            try:
                size, ancillary, _, source = self.sock.recvmsg_into((self._rx,), ANCILLARY)
            except BlockingIOError:
                return
            segment, spoken_to = size, NOWHERE
            for level, _, data in ancillary:
                if level == SOL_UDP:
                    segment = _segment.unpack_from(data)[0]
                else:
                    spoken_to = self._reply(data)
            if size:
                yield Came(bytes(self._rx[:size]), segment, source, spoken_to)

    def send(self, packets: Sequence[tuple[bytes, KernelAddress]], spoken_to: Spoken = ()) -> None:
        """Send these, as many as possible in a call. What the kernel does not take is lost, as in any network."""
        at, end = 0, len(packets)
        while at < end:
            first, to = packets[at]
            following = at + 1
            most = min(end, at + MOST_SEGMENTS) if self._gso else following
            while following < most and packets[following][1] == to and len(packets[following][0]) == len(first):
                following += 1
            if following < most and packets[following][1] == to and len(packets[following][0]) < len(first):
                following += 1
            self._put([packet for packet, _ in packets[at:following]], to, spoken_to)
            at = following

    def _put(self, packets: list[bytes], to: KernelAddress, spoken_to: Spoken) -> None:
        train: list[Any] = [(SOL_UDP, UDP_SEGMENT, _size.pack(len(packets[0])))] if len(packets) > 1 else []
        where = () if self._connected else (to,)
        try:
            self.sock.sendmsg(packets, [*train, *spoken_to], 0, *where)
        except BlockingIOError:
            self._counted["congested"] += len(packets)
        except OSError as error:
            if train and error.errno in (errno.EIO, errno.EINVAL, errno.EPERM):
                self._gso = False  # this host, or the way out of it, does not cut (udp(7))
                for packet in packets:
                    self._put([packet], to, spoken_to)
            else:
                self._counted["unreachable"] += len(packets)
                self.note(error)

    def note(self, error: OSError) -> None:
        """The network says that nobody is there, or that there is no way."""
        if self._connected:
            self.problem = (error.strerror or str(error)).lower()

    def _reply(self, info: bytes) -> Spoken:
        if self._v6:
            address, interface = _v6.unpack(info)
            scope = interface if address[:2] == b"\xfe\x80" else 0  # others may leave by any interface
            return ((socket.IPPROTO_IPV6, IPV6_PKTINFO, _v6.pack(address, scope)),)
        return ((socket.IPPROTO_IP, IP_PKTINFO, _v4.pack(0, _v4.unpack(info)[1], bytes(4))),)


def host_of(spoken_to: Spoken) -> str:
    """The address literal, its interface by number; "" if the socket has only one address."""
    for level, _, info in spoken_to:
        if level == socket.IPPROTO_IPV6:
            address, scope = _v6.unpack(info)
            return socket.inet_ntop(socket.AF_INET6, address) + (f"%{scope}" if scope else "")
        return socket.inet_ntop(socket.AF_INET, _v4.unpack(info)[1])
    return ""
