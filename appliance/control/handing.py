"""Descriptors beside answers: what a caller asked for may be a socket, and the kernel hands it over (SCM_RIGHTS, unix(7)).

The line says `"fds": n`; the descriptors come with its first byte. They arrive in the order of the lines.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

MOST_DESCRIPTORS: Final = 8
"""Of one line."""


class Handed(NamedTuple):
    """An answer, or an item of one, and the sockets that go with it. They are closed here once they are handed over, or cannot
    be."""

    value: Any
    sockets: tuple[socket.socket, ...]

    def close(self) -> None:
        """They are not wanted."""
        for each in self.sockets:
            each.close()


class Hand:
    """Sends lines with descriptors on the connection of `writer`, in order with all that is written there."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._socket: socket.socket | None = None

    async def over(self, line: bytes, sockets: Sequence[socket.socket]) -> None:
        """Send them. Raises OSError when the caller is gone, or takes no more descriptors."""
        while not self._sent(line, [each.fileno() for each in sockets]):
            await self._writer.drain()
            if not self._writer.transport.get_write_buffer_size():
                await self._room()

    def close(self) -> None:
        """Nothing more is sent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _own(self) -> socket.socket:
        """The connection under a number of our own: a transport lets nobody else wait for its descriptor."""
        if self._socket is None:
            self._writer.transport.set_write_buffer_limits(0)  # from now on `drain` waits until all has gone
            self._socket = self._writer.get_extra_info("socket").dup()
        return self._socket

    def _sent(self, line: bytes, descriptors: Sequence[int]) -> bool:
        own = self._own()
        if self._writer.transport.get_write_buffer_size():
            return False
        try:
            sent = socket.send_fds(own, [line], descriptors)
        except BlockingIOError:
            return False
        if sent < len(line):
            self._writer.write(line[sent:])
        return True

    async def _room(self) -> None:
        loop, there = asyncio.get_running_loop(), asyncio.Event()
        loop.add_writer(self._own(), there.set)
        try:
            await there.wait()
        finally:
            loop.remove_writer(self._own())
