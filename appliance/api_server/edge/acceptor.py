"""Lets connections in at one listening socket: each takes a seat before anything is read or any handshake begins.

asyncio's own servers tell of a connection only after TLS has shaken hands, when one that never does has cost its memory already.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from asyncio import sslproto
from collections.abc import Callable
from typing import Final

from appliance.api.values import group_of
from appliance.api_server.edge.figures import Figures
from appliance.api_server.edge.limits import Seats, local_group
from appliance.control.callers import user_of

BATCH: Final = 64
"""Connections accepted in one turn of the loop."""
PAUSE: Final = 1.0
"""Seconds until accepting is tried again, when the host had no descriptor or memory for one more."""
TLS_BUFFER: Final = 8 << 10
"""Bytes that are read at a time from a connection of TLS. asyncio's 256 KiB are there for as long as the connection is: thousands
that are idle would take gigabytes."""
_SHORT: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

sslproto.SSLProtocol.max_size = TLS_BUFFER


class Acceptor:
    """`make` gives a new connection its protocol; `context` the TLS to speak now, None for plain HTTP, or raises OSError."""

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[], asyncio.BaseProtocol],
        context: Callable[[], ssl.SSLContext | None],
        seats: Seats,
        figures: Figures,
        handshake_seconds: float,
        too_short: Callable[[], str] = str,
    ) -> None:
        """`too_short` says why nobody is let in now; "": everybody may."""
        self._listener = listener
        listener.setblocking(False)  # noqa: FBT003
        self._make = make
        self._context = context
        self._seats = seats
        self._figures = figures
        self._handshake = handshake_seconds
        self._too_short = too_short
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[None]] = set()
        self._again: asyncio.TimerHandle | None = None
        self._loop.add_reader(listener.fileno(), self._accept)

    def close(self) -> None:
        """Let nobody in any more."""
        if self._again is not None:
            self._again.cancel()
        self._loop.remove_reader(self._listener.fileno())
        for task in self._beginning:
            task.cancel()

    async def wait_closed(self) -> None:
        """As `asyncio.Server` has it."""
        await asyncio.gather(*self._beginning, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(BATCH):
            try:
                made, address = self._listener.accept()
            except OSError as error:
                if error.errno in _SHORT:
                    self._figures.refused["descriptors"] += 1
                    self._loop.remove_reader(self._listener.fileno())
                    self._again = self._loop.call_later(PAUSE, self._go_on)
                return
            self._seat(made, local_group(user_of(made)) if made.family == socket.AF_UNIX else group_of(address[0]))

    def _go_on(self) -> None:
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def _seat(self, made: socket.socket, group: str) -> None:
        if refused := self._too_short() or self._seats.take(group):
            self._figures.refused[refused] += 1
            made.close()
            return
        self._figures.accepted += 1
        seated = _Seated(made, lambda: self._seats.leave(group))
        task = self._loop.create_task(self._begin(seated), name="begin")
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _begin(self, seated: socket.socket) -> None:
        try:
            context = self._context()
            seconds = None if context is None else self._handshake
            await self._loop.connect_accepted_socket(self._make, seated, ssl=context, ssl_handshake_timeout=seconds)
        except OSError:  # ssl.SSLError and TimeoutError are too
            seated.close()
            self._figures.refused["handshake"] += 1
        except BaseException:
            seated.close()
            raise


class _Seated(socket.socket):
    """A connection that gives its seat back once, when it is closed: whichever protocol has it then."""

    def __init__(self, made: socket.socket, leave: Callable[[], None]) -> None:
        super().__init__(fileno=made.detach())  # knows by the kernel that it is TCP, so asyncio turns Nagle's algorithm off
        self.setblocking(False)  # noqa: FBT003
        self._leave: Callable[[], None] | None = leave

    def close(self) -> None:
        """And give the seat back."""
        super().close()
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()
