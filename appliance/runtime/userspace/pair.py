"""The two ends of an AF_UNIX pair that stands for a connection: the application has one, the endpoint the other.

The application must tell a reset from the end of the stream, as with a TCP socket. The kernel gives it ECONNRESET when our end is
closed while something unread is in it. So our end keeps the last byte of what the application wrote: it is sent, and stays in the
socket as well. Closing in order takes it out first; a reset leaves it there. Before the application has written anything, it is a
byte that we wrote ourselves.

The other way round the application closes its end with something unread in it, or says so with a byte that has a descriptor
beside it (`sdk.sockets.abort`).
"""

from __future__ import annotations

import array
import os
import select
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from appliance.linux.unread import unread_bytes

if TYPE_CHECKING:
    from appliance.api.values import Octets

HOLDS: Final = 192 * 1024
"""The least socket buffer with which a byte is kept. The kernel counts the byte with all that was written at once, up to 36 KiB,
and a socket is writable only as long as what it counts is below a quarter of the buffer."""
_ONE_DESCRIPTOR: Final = socket.CMSG_SPACE(4)


class StreamPair:
    """Our end. `theirs` is the application's, until it is handed over."""

    def __init__(self) -> None:
        self._ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._ours.setblocking(False)  # noqa: FBT003
        self.theirs.setblocking(False)  # noqa: FBT003
        self.descriptor = self._ours.fileno()
        self._keeps = self.theirs.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) >= HOLDS
        self._held = self._keeps
        """Was the first byte that lies here taken over already?"""
        self.reset = False
        """Has the application said that it breaks off?"""
        if self._held:
            self.theirs.send(b"\0")

    def read(self, most: int) -> bytes:
        """What the application wrote, at most so much; b"" if there is nothing now."""
        there = unread_bytes(self.descriptor) - self._held
        if there <= 0:
            return b""
        if there > most or not self._keeps:
            data = self._taken(min(there, most) + self._held)[self._held :]
            self._held = False
            return data
        wanted = there - 1 + self._held
        data = self._taken(wanted)[self._held :] if wanted else b""
        if len(data) < there - 1:  # it was sent together with something else than bytes
            self._held = False
            return data
        self._held = True
        return data + self._last()

    def _last(self) -> bytes:
        """The last byte, which stays; but for one with a descriptor, which says that nothing counts any more."""
        data, beside, _, _ = self._ours.recvmsg(1, _ONE_DESCRIPTOR, socket.MSG_PEEK | socket.MSG_CMSG_CLOEXEC)
        self._note(beside)
        return data

    def _taken(self, most: int) -> bytes:
        data, beside, _, _ = self._ours.recvmsg(most, _ONE_DESCRIPTOR, socket.MSG_CMSG_CLOEXEC)
        self._note(beside)
        return data

    def _note(self, beside: Sequence[tuple[int, int, bytes]]) -> None:
        for _, _, numbers in beside:
            self.reset = True
            for number in array.array("i", numbers):
                os.close(number)

    def write(self, data: Octets) -> int:
        """Give the application what came. How much of it there was room for. Raises OSError when it is gone."""
        try:
            return self._ours.send(data, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return 0

    def end(self) -> None:
        """Nothing more comes for the application."""
        with suppress(OSError):
            self._ours.shutdown(socket.SHUT_WR)

    def is_broken_off(self) -> bool:
        """Has the application closed its end without reading all that came?"""
        return bool(self._ours.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def is_gone(self) -> bool:
        """Has the application closed its end?"""
        poll = select.poll()
        poll.register(self.descriptor, 0)
        return bool(poll.poll(0))

    def close(self, *, reset: bool) -> None:
        """Let go of it. With `reset` the application gets ECONNRESET once it has read what came."""
        if self._held and not reset:
            with suppress(OSError):
                self._ours.recv(1)
        self._ours.close()
