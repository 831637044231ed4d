"""Numbered datagrams there and back, never more on the way than every buffer holds: whatever is missing, the overlay lost.

Each number goes from one end to the other and is sent back from there. Both ends insist on every number once and in order.
"""

from __future__ import annotations

import socket
import struct
from typing import Final, Self

from appliance.lab import tools
from appliance.lab.host import Host
from tests.rigs.labs import bound

WINDOW: Final = 64
"""Datagrams on the way: 75 kB, of the 212 kB that a socket holds by default and the 500 packets that a TUN queues."""
DATAGRAM_BYTES: Final = 1172
PATIENCE: Final = 10.0
"""Seconds without an answer after which a datagram counts as lost; the overlay's own answers take milliseconds."""

_number = struct.Struct("!Q")


class Numbered:
    """The stream between two hosts, over IPv4. `there` and `back` count what arrived at the far and at the near end."""

    def __init__(self, near: Host, far: Host) -> None:
        self.there = self.back = self.sent = 0
        self._near, self._far = (host.namespace.call(bound, tools.address_of(host, 4)) for host in (near, far))
        self._near.connect(self._far.getsockname())
        self._far.connect(self._near.getsockname())
        for end in (self._near, self._far):
            end.settimeout(PATIENCE)
        self._padding = bytes(DATAGRAM_BYTES - _number.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._near.close()
        self._far.close()

    def send(self, count: int) -> None:
        """Send so many there and back. Raises TimeoutError when one is lost, AssertionError when one comes twice or too early."""
        last = self.sent + count
        while self.back < last:
            while self.sent < min(last, self.back + WINDOW):
                self._near.send(_number.pack(self.sent) + self._padding)
                self.sent += 1
            data = self._far.recv(DATAGRAM_BYTES)
            assert _number.unpack_from(data)[0] == self.there
            self.there += 1
            self._far.send(data)
            if self.there == last or self.there - self.back >= WINDOW // 2:
                self._take(self.there)

    def _take(self, until: int) -> None:
        while self.back < until:
            assert _number.unpack_from(self._near.recv(DATAGRAM_BYTES))[0] == self.back
            self.back += 1

    def is_silent(self) -> bool:
        """Does nothing more wait at either end? To be asked once, when all has been sent."""
        return not any(_waits(end) for end in (self._near, self._far))


def _waits(end: socket.socket) -> bool:
    end.settimeout(0)
    try:
        end.recv(DATAGRAM_BYTES)
    except BlockingIOError:
        return False
    return True
