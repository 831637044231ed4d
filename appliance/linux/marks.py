"""The firewall mark (fwmark) of a socket's packets, by which rules route them (socket(7), SO_MARK)."""

from __future__ import annotations

import socket

SO_MARK = 36


def set_mark(sock: socket.socket, mark: int) -> bool:
    """Mark what `sock` sends. False without CAP_NET_ADMIN (such a process has no rules that look at the mark either), or if this
    is no socket that can be marked."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
    except OSError:
        return False
    return True
