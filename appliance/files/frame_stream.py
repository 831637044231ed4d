"""Frames over a connected stream socket, with a limit on silence."""

from __future__ import annotations

import errno
import select
import socket
from contextlib import suppress
from typing import Final

from appliance.files.errors import TransferLost
from appliance.foundation import clock
from appliance.transfer import frames
from appliance.transfer.faults import Reason
from appliance.transfer.frames import HEAD, Failed, Frame, FrameKind
from appliance.transfer.tree import CHUNK_BYTES, HASH_BYTES

STALL_SECONDS: Final = 10.0
"""Without a byte. A busy receiver says that it lives."""
SLICE_SECONDS: Final = 1.0
"""Between two looks whether the device that the socket is bound to is still there: no packet will ever say that it is not."""
TOGETHER_BYTES: Final = 65_536
"""Small frames wait until there are so many bytes, or until something else is waited for."""
LAST_SECONDS: Final = 2.0
"""So long is still read from who was told why it ends. Closing at once would reset the connection and take the word with it."""
_DEVICE_NAME_BYTES: Final = 16


class FrameStream:
    """Both directions of a stream. Takes the socket over. Everything raises TransferLost when the stream is no more."""

    def __init__(self, stream: socket.socket, stall_s: float = STALL_SECONDS) -> None:
        self._stream = stream
        self._stream.setblocking(False)  # noqa: FBT003
        with suppress(OSError):  # not TCP
            self._stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stall_s = stall_s
        self._unsent = bytearray()
        self._head = bytearray(HEAD.size)
        self._body = memoryview(bytearray(HASH_BYTES + CHUNK_BYTES))

    def send(self, frame: Frame) -> None:
        """Send a small frame, soon: `flush` says when."""
        self._unsent += frames.encode(frame)
        if len(self._unsent) >= TOGETHER_BYTES:
            self.flush()

    def send_chunk(self, leaf: bytes, data: bytes) -> None:
        """Send a chunk, and all before."""
        self._unsent += frames.chunk_head(leaf, len(data))
        if len(self._unsent) + len(data) <= TOGETHER_BYTES:
            self._unsent += data
            return
        unsent, self._unsent = self._unsent, bytearray()
        self._send(unsent, data)

    def flush(self) -> None:
        """Send all that waits."""
        if self._unsent:
            unsent, self._unsent = self._unsent, bytearray()
            self._send(unsent)

    def receive(self) -> Frame:
        """The next frame, once all that waits was sent. A chunk's data is valid until the next call. Raises TransferFault."""
        self.flush()
        head = memoryview(self._head)
        self._fill(head)
        kind, length = frames.judge_head(bytes(self._head))
        self._fill(body := self._body[:length])
        return frames.decode(kind, body if kind is FrameKind.CHUNK else bytes(body))

    def has_said(self) -> bool:
        """Is there something to receive, without waiting?"""
        return _ready(self._stream, select.POLLIN, 0.0)

    def give_up(self, reason: Reason, text: str) -> None:
        """Say why it ends, as the last word, and close. Raises nothing."""
        with suppress(TransferLost, OSError):
            self.send(Failed(reason, text))
            self.flush()
            self._stream.shutdown(socket.SHUT_WR)
            self._stall_s = LAST_SECONDS
            until = clock.monotonic() + LAST_SECONDS
            while self._receive(self._body) and clock.monotonic() < until:
                pass
        self.close()

    def stop(self) -> None:
        """End both directions, from any thread: whoever waits gets TransferLost."""
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)

    def stop_reading(self) -> None:
        """The same, but something can still be said."""
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Give the socket up."""
        self._stream.close()

    def _send(self, *pieces: bytes | bytearray) -> None:
        rest = [memoryview(piece) for piece in pieces if piece]
        while rest:
            try:
                sent = self._stream.sendmsg(rest)
            except BlockingIOError:
                self._wait(select.POLLOUT)
                continue
            except OSError as error:
                raise _lost(error) from error
            while rest and sent >= len(rest[0]):
                sent -= len(rest.pop(0))
            if sent:
                rest[0] = rest[0][sent:]

    def _fill(self, room: memoryview) -> None:
        while room:
            got = self._receive(room)
            if not got:
                raise TransferLost("the other side ended the connection before the transfer was complete")
            room = room[got:]

    def _receive(self, room: memoryview) -> int:
        while True:
            try:
                return self._stream.recv_into(room)
            except BlockingIOError:
                self._wait(select.POLLIN)
            except OSError as error:
                raise _lost(error) from error

    def _wait(self, event: int) -> None:
        waited = 0.0
        while not _ready(self._stream, event, min(SLICE_SECONDS, self._stall_s - waited)):
            waited += SLICE_SECONDS
            if waited >= self._stall_s:
                raise TransferLost(f"nothing has moved for {self._stall_s:g} seconds")
            self._look_at_device()

    def _look_at_device(self) -> None:
        try:
            self._stream.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _DEVICE_NAME_BYTES)
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise TransferLost("the node of this host has ended, and the connection with it") from error


def _ready(stream: socket.socket, event: int, seconds: float) -> bool:
    poll = select.poll()
    try:
        poll.register(stream, event)
    except ValueError as error:  # closed
        raise TransferLost("the connection was closed") from error
    return bool(poll.poll(seconds * 1000))


def _lost(error: OSError) -> TransferLost:
    return TransferLost(f"the connection is lost: {error.strerror}")
