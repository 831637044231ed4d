"""How much of a stream waits in a socket, by ioctl."""

from __future__ import annotations

import array
import fcntl
import termios


def unread_bytes(descriptor: int) -> int:
    """Bytes that can be read now, without reading them (SIOCINQ, unix(7))."""
    found = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, found)
    return found[0]
