"""Two streams as one: what one says goes to the other, within the kernel (splice(2)), so no byte is copied into this process."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from appliance.linux.pipes import large_pipe
from appliance.sdk.sockets import abort

ROOM: Final = 1 << 20
"""Bytes under way in one direction, besides what the sockets hold: as many as an ordinary user's pipe may have. With 64 KiB the
CPU a byte was half as much again."""


class Carried(NamedTuple):
    """How many bytes went from the first to the second, and back."""

    there: int
    back: int


async def splice(one: socket.socket, other: socket.socket, tell: Callable[[int, int], None] | None = None) -> Carried:
    """Carry until both have ended, and close both. The end of one direction leaves the other open; what one side breaks off is
    broken off for the other, too. `tell` hears of each piece: the direction (0 or 1) and its bytes. Raises OSError when either
    broke off."""
    done = asyncio.get_running_loop().create_future()
    directions: list[_Direction] = []

    def ended(error: OSError | None) -> None:
        if not done.done() and (error is not None or all(each.over for each in directions)):
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

    broken = True
    try:
        for number, (source, sink) in enumerate(((one, other), (other, one))):
            directions.append(_Direction(source, sink, ended, None if tell is None else _told(tell, number)))
        for each in directions:
            each.start()
        await done
        broken = False
        return Carried(directions[0].carried, directions[1].carried)
    finally:
        for each in directions:
            each.close()
        for each_end in (one, other):
            if broken:
                abort(each_end)
            each_end.close()


def _told(tell: Callable[[int, int], None], number: int) -> Callable[[int], None]:
    return lambda size: tell(number, size)


class _Direction:
    """From one socket through a pipe into the other."""

    def __init__(
        self,
        source: socket.socket,
        sink: socket.socket,
        ended: Callable[[OSError | None], None],
        tell: Callable[[int], None] | None,
    ) -> None:
        self._source, self._sink = source.fileno(), sink
        self._out, self._in = large_pipe(ROOM)
        self._loop = asyncio.get_running_loop()
        self._ended = ended
        self._tell = tell
        self._waiting = 0
        """Bytes in the pipe."""
        self._finished = False
        """The source says nothing more."""
        self.over = False
        self.carried = 0

    def start(self) -> None:
        """Carry from now on."""
        self._loop.add_reader(self._source, self._fill)

    def close(self) -> None:
        """Carry no more."""
        self._loop.remove_reader(self._source)
        self._loop.remove_writer(self._sink)
        os.close(self._out)
        os.close(self._in)

    def _fill(self) -> None:
        try:
            size = os.splice(self._source, self._in, ROOM, flags=os.SPLICE_F_NONBLOCK)
        except BlockingIOError:  # nothing there, or the pipe is full
            size = None
        except OSError as error:
            self._ended(error)
            return
        if size == 0:
            self._finished = True
            self._loop.remove_reader(self._source)
        elif size is not None:
            self._waiting += size
        self._empty()

    def _empty(self) -> None:
        try:
            while self._waiting:
                size = os.splice(self._out, self._sink.fileno(), self._waiting, flags=os.SPLICE_F_NONBLOCK)
                self._waiting -= size
                self.carried += size
                if self._tell is not None:
                    self._tell(size)
        except BlockingIOError:
            self._loop.remove_reader(self._source)
            self._loop.add_writer(self._sink, self._go_on)
            return
        except OSError as error:
            self._ended(error)
            return
        if self._finished:
            self.over = True
            with suppress(OSError):
                self._sink.shutdown(socket.SHUT_WR)
            self._ended(None)

    def _go_on(self) -> None:
        self._loop.remove_writer(self._sink)
        if not self._finished:
            self._loop.add_reader(self._source, self._fill)
        self._empty()
