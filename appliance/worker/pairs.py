"""The sockets between the control process and the worker, and between two workers: SOCK_SEQPACKET pairs."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Sequence
from typing import Final

MAX_MESSAGE: Final = 192 * 1024
"""Longest message: a record's body of 64 KiB, or a slice of a table, with room to spare."""
BUFFER_BYTES: Final = 4 << 20
"""Socket buffer per direction: a second of handshakes at the highest rate allowed, or milliseconds of traffic between workers."""
_MAX_DESCRIPTORS: Final = 4


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends, control's and the worker's, or those of two workers."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        enlarge(end)
    return ends


def enlarge(end: socket.socket) -> None:
    """Give a socket BUFFER_BYTES each way, or as much as the host allows."""
    for plain, forced in ((socket.SO_SNDBUF, 32), (socket.SO_RCVBUF, 33)):  # SO_SNDBUFFORCE, SO_RCVBUFFORCE (CAP_NET_ADMIN)
        try:
            end.setsockopt(socket.SOL_SOCKET, forced, BUFFER_BYTES)
        except PermissionError:
            end.setsockopt(socket.SOL_SOCKET, plain, BUFFER_BYTES)


def send(end: socket.socket, message: bytes, descriptors: Sequence[int] = ()) -> None:
    """Send one message. Raises BlockingIOError when the other side does not keep up."""
    if descriptors:
        socket.send_fds(end, [message], descriptors)
    else:
        end.send(message)


def receive(end: socket.socket) -> tuple[bytes, list[int]]:
    """One message and the descriptors with it; empty bytes when the other side is gone."""
    message, descriptors, _, _ = socket.recv_fds(end, MAX_MESSAGE, _MAX_DESCRIPTORS)
    return message, descriptors


def hung_up(descriptor: int) -> bool:
    """Has the other end been closed, or shut down for writing? What it had sent may still be there to be read."""
    poll = select.poll()
    poll.register(descriptor, select.POLLRDHUP)
    return bool(poll.poll(0))


def has_more(descriptor: int) -> bool:
    """Is there a message to be read?"""
    with socket.socket(fileno=os.dup(descriptor)) as twin:
        try:
            return bool(twin.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False
