"""A port of the stack and its application: a SOCK_SEQPACKET pair, since that tells when the other end is closed."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING, Final

from appliance.tcp.datagrams import MOST_BYTES

if TYPE_CHECKING:
    from appliance.tcp.datagrams import UdpPort
    from appliance.tcp.stack import Stack

WATCHED: Final = select.EPOLLIN | select.EPOLLRDHUP
EACH_TURN: Final = 64


class Datagrams:
    """Those of one application, to and from one port of one peer."""

    def __init__(self, port: UdpPort, stack: Stack) -> None:
        self.port = port
        self._stack = stack
        self._ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setblocking(False)  # noqa: FBT003
        self.theirs.setblocking(False)  # noqa: FBT003
        self.descriptor = self._ours.fileno()

    def send(self) -> bool:
        """Send what the application wrote. False: it is gone."""
        assert self.port.peer is not None
        try:
            for _ in range(EACH_TURN):
                data = self._ours.recv(MOST_BYTES + 1)
                if not data and self._is_over():
                    return False
                self._stack.send_datagram(self.port, *self.port.peer, data)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def _is_over(self) -> bool:
        """An empty datagram looks like the end."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLRDHUP)
        return bool(poll.poll(0))

    def deliver(self) -> None:
        """Give the application what came. What it has no room for is dropped, as everywhere."""
        while self.port.received:
            data = self.port.pop().data
            try:
                self._ours.send(data, socket.MSG_NOSIGNAL) if data else None
            except OSError:
                continue

    def close(self) -> None:
        """Let go of it."""
        self._ours.close()
