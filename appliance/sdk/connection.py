"""A stream to a peer: a socket that the node of this host has opened or taken, and that is the application's alone since."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, Self, TypeVar

from appliance.sdk.direction import Direction
from appliance.sdk.errors import ConnectionLost, SDKError
from appliance.sdk.metrics import ConnectionMetrics, of_kernel
from appliance.sdk.sockets import abort

PIECE: Final = 1 << 16
MOST_DISCARDED: Final = 64
"""Pieces that are read and thrown away before closing: closed with something unread, the kernel resets, and what this side wrote
may not arrive."""
T = TypeVar("T")


class Connection:
    """Bytes in both directions. Three ways to end: `close_write` says that no more is sent and goes on reading, `close` gives up
    both directions in order, `reset` at once, and the other side sees an error.

    Cancelling any of these, and a deadline that passes, leave the connection as it is: no byte that came is lost. A write may
    have sent a part by then; `bytes_sent` of the metrics says how much. Several tasks may read, or write, at the same time, but
    who gets which bytes is theirs to agree on.
    """

    def __init__(
        self, stream: socket.socket, about: Mapping[str, Any], ended: Callable[[Connection], None] | None = None
    ) -> None:
        """`ended` is called once, when the connection is closed, reset or detached."""
        self._stream = stream
        self._ended = ended
        loop = asyncio.get_running_loop()
        self._in = Direction("reading", lambda wake: loop.add_reader(stream, wake), lambda: loop.remove_reader(stream))
        self._out = Direction("writing", lambda wake: loop.add_writer(stream, wake), lambda: loop.remove_writer(stream))
        self._received = self._sent = self._errors = 0
        self.peer = str(about.get("peer") or "")
        """The peer's name; "" for a process of this host."""
        self.identity = str(about.get("identity") or "")
        self.service = str(about.get("service") or "")
        self.metadata: Mapping[str, str] = about.get("metadata") or {}
        self.traceparent = str(about.get("traceparent") or "")
        self.about = about
        """All that the node said of it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def fileno(self) -> int:
        """The descriptor, for selectors; -1 once it is closed."""
        return self._stream.fileno()

    def detach(self) -> socket.socket:
        """The socket itself, non-blocking. This object is closed by it."""
        stream, self._stream = self._stream, socket.socket()
        self._stream.close()
        self._end()
        return stream

    # ---- deadlines ----

    def set_deadline(self, seconds: float | None) -> None:
        """Reading and writing that waits now, or begins later, gives up so many seconds from now with DeadlineExceeded; None:
        never. The connection stays usable: a later deadline lets it go on."""
        self.set_read_deadline(seconds)
        self.set_write_deadline(seconds)

    def set_read_deadline(self, seconds: float | None) -> None:
        """As `set_deadline`, for reading alone."""
        self._in.set_deadline(seconds)

    def set_write_deadline(self, seconds: float | None) -> None:
        """As `set_deadline`, for writing alone."""
        self._out.set_deadline(seconds)

    # ---- reading ----

    async def read(self, most: int = PIECE) -> bytes:
        """What is there, `most` bytes of it, as soon as there is something; b"" when the other side has closed its direction.
        Raises ConnectionLost, DeadlineExceeded."""
        data = await self._done(self._in, partial(self._stream.recv, most))
        self._received += len(data)
        return data

    async def readinto(self, buffer: bytearray | memoryview) -> int:
        """As `read`, into a buffer. Returns the number of bytes."""
        count = await self._done(self._in, partial(self._stream.recv_into, buffer))
        self._received += count
        return count

    async def readexactly(self, count: int) -> bytes:
        """So many bytes. Raises ConnectionLost if the other side ends before, DeadlineExceeded; what had come by then is lost."""
        found = bytearray(count)
        view = memoryview(found)
        at = 0
        while at < count:
            piece = await self.readinto(view[at:])
            if not piece:
                self._errors += 1
                raise ConnectionLost(
                    f"{self.peer or 'the other side'} ended the stream after {at} of {count} bytes", hint="open a new one"
                )
            at += piece
        return bytes(found)

    # ---- writing ----

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it; returns when the kernel has taken it, so a peer that does not read holds the writer up. Raises
        ConnectionLost, DeadlineExceeded."""
        view = memoryview(data).cast("B")
        while view:
            sent = await self._done(self._out, partial(self._stream.send, view))
            self._sent += sent
            view = view[sent:]

    # ---- ending ----

    async def close_write(self) -> None:
        """Nothing more is sent: the other side reads the end. Reading goes on."""
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_WR)

    async def close(self) -> None:
        """Give up both directions; what was written still arrives. Whoever waits for something here gets ConnectionLost. Safe to
        call twice."""
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_WR)
            for _ in range(MOST_DISCARDED):
                if not self._stream.recv(PIECE):
                    break
        self._end()

    def reset(self) -> None:
        """Give it up at once: the other side gets ConnectionLost. Safe to call twice."""
        abort(self._stream)
        self._end()

    @property
    def closed(self) -> bool:
        """Was it closed, reset or detached on this side?"""
        return self._stream.fileno() < 0

    def fit(self) -> bool:
        """Is it open at both ends, with nothing unread? So that it may be used for another call."""
        try:
            self._stream.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    # ---- figures ----

    def metrics(self) -> ConnectionMetrics:
        """What it came to so far."""
        return ConnectionMetrics(self._received, self._sent, self._errors, **of_kernel(self._stream))  # type: ignore[arg-type]

    def _end(self) -> None:
        self._in.close()
        self._out.close()
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self)
        self._stream.close()

    async def _done(self, direction: Direction, deed: Callable[[], T]) -> T:
        """What `deed` returns once the kernel lets it. Raises ConnectionLost, DeadlineExceeded."""
        try:
            await direction.begin()
            while True:
                try:
                    return deed()
                except BlockingIOError:
                    await direction.ready()
                except OSError as error:
                    raise _lost(self.peer, error) from error
        except SDKError:
            self._errors += 1
            raise


def _lost(peer: str, error: OSError) -> ConnectionLost:
    return ConnectionLost(f"the stream {f'with {peer} ' if peer else ''}is lost: {error.strerror}", hint="open a new one")
