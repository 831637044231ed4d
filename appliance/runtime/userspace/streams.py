"""One connection between the stack and its application: bytes are moved when either side can take them."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Final

from appliance.tcp.states import Ending

if TYPE_CHECKING:
    from appliance.runtime.userspace.pair import StreamPair
    from appliance.tcp.flows import Flow

WATCHED: Final = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
_OVER: Final = select.EPOLLHUP | select.EPOLLERR


class Stream:
    """`pair` is its own."""

    def __init__(self, flow: Flow, pair: StreamPair) -> None:
        self.flow = flow
        self._pair = pair
        self.descriptor = pair.descriptor
        self._readable = True
        self._ended = False
        """The application has said that it writes no more."""
        self._finished = False
        """All that it wrote before that was taken."""
        self._told = False
        """The application was told that nothing more comes."""

    def happened(self, events: int, now: float) -> None:
        """The application did something. To be followed by `deliver`."""
        if events & select.EPOLLIN:
            self._readable = True
        if events & select.EPOLLRDHUP:
            self._ended = self._readable = True
        if events & _OVER and self._pair.is_broken_off():
            self.flow.connection.abort()
        elif events & _OVER and self._finished:
            self.flow.connection.orphan(now)
        elif events & _OVER:
            self.flow.connection.desert(now)

    def refill(self, now: float) -> None:
        """Take what the application wrote, as far as it can be sent."""
        connection = self.flow.connection
        while self._readable and (room := connection.room()):
            data = self._pair.read(room)
            if self._pair.reset:
                connection.abort()
                return
            if data:
                connection.write(data)
                continue
            self._readable = False
            if self._ended:
                self._finished = True
                if self._pair.is_gone():
                    connection.orphan(now)
                else:
                    connection.finish()

    def deliver(self, now: float) -> bool:
        """Give the application what came. False: it is all over, and nothing is left to do here."""
        connection = self.flow.connection
        try:
            while (data := connection.incoming()) is not None:
                taken = self._pair.write(data)
                if not taken:
                    return True
                connection.consumed(taken)
        except OSError:  # nobody reads it
            connection.orphan(now)
            self._pair.close(reset=False)
            return False
        if connection.peer_finished and not self._told:
            self._told = True
            self._pair.end()
        if connection.ending is None:
            return True
        self._pair.close(reset=connection.ending is not Ending.FINISHED)
        return False

    def close(self) -> None:
        """The endpoint ends."""
        self.flow.connection.abort()
        self._pair.close(reset=True)
