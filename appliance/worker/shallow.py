"""Keeps short what waits for a link in the kernel: nothing overtakes there.

The send buffers of links are large, so that one flow fills a long path. Where traffic is scheduled they would be one more queue
behind the queues, first come first served, and on a slow line seconds long.
"""

from __future__ import annotations

import os
import socket
from typing import Final

DATAGRAM_BYTES: Final = 262144
"""In the kernel's hands on a datagram link; it doubles that for its own overhead. 2 ms at a gigabit."""
UNSENT_BYTES: Final = 131072
"""On a stream, beyond what is under way: two records, so that the next one is there when the kernel wants it."""
HOSTS_BOUND: Final = 0
"""What the host's tcp_notsent_lowat says (tcp(7)): usually whatever fits the send buffer."""


def shorten(descriptor: int) -> int:
    """Keep short from now on what waits in a socket. Returns what `deepen` needs to undo that. A descriptor that is no socket
    stays as it is."""
    sock = _twin(descriptor)
    if sock is None:
        return HOSTS_BOUND
    with sock:
        if _is_tcp(sock):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
            return HOSTS_BOUND
        before = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 2
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, DATAGRAM_BYTES)
        return before


def deepen(descriptor: int, before: int) -> None:
    """Let as much wait in a socket as before, or as much of that as the host allows a process without privileges."""
    sock = _twin(descriptor)
    if sock is None:
        return
    with sock:
        if _is_tcp(sock):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, before)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, before)


def _is_tcp(sock: socket.socket) -> bool:
    """Is it a stream to the far end itself, rather than to a process that carries the link on?"""
    return sock.type == socket.SOCK_STREAM and sock.family != socket.AF_UNIX


def _twin(descriptor: int) -> socket.socket | None:
    """Another descriptor of the same socket."""
    twin = os.dup(descriptor)
    try:
        return socket.socket(fileno=twin)
    except OSError:
        os.close(twin)
        return None
