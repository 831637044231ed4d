"""A connection with what is around it: the socket outside, and the pair whose other end the worker has."""

from __future__ import annotations

import socket
from collections import Counter
from typing import TYPE_CHECKING, Final

from appliance.api.zones import numbered
from appliance_transport_quic.outside import Outside, Spoken, host_of
from appliance_transport_quic.trains import LONGEST_TRAIN, datagrams, trains, with_address

if TYPE_CHECKING:
    from appliance.api.transport import SocketAddress
    from appliance_transport_quic.connection import Connection, KernelAddress

ROOM: Final = LONGEST_TRAIN + 4096
BUDGET: Final = 4
"""Messages of the worker in one turn."""
MOST_PENDING: Final = 256
"""LLP datagrams of a listener's shared pair that wait for one link. Further ones are dropped: others share the pair."""


class Link:
    """`came` is when it began; times are monotonic seconds."""

    def __init__(
        self, connection: Connection, outside: Outside, remote: KernelAddress, came: float, counted: Counter[str]
    ) -> None:
        self.connection = connection
        self.outside = outside
        self.remote: SocketAddress = numbered(remote)
        """The far end as the node knows it. It stays when the far end migrates (RFC 9000, section 9): the link is the same."""
        self.since = came
        """When it came, was established, or lost its pair, whichever was last."""
        self.spoken_to: Spoken = ()
        self.pair: socket.socket | None = None
        """Its own pair. None: it has to share its listener's."""
        self.reads_pair = False
        """The pair is watched. Not while datagrams wait for the congestion window: then the worker is to wait, too."""
        self.due: float | None = None
        """The time under which it stands in the heap of timers."""
        self.established = False
        """The node was told of it."""
        self._counted = counted

    def read_pair(self) -> bool:
        """Take what the worker sends. False: it has closed its end."""
        assert self.pair is not None
        for _ in range(BUDGET):
            try:
                message = self.pair.recv(ROOM)
            except BlockingIOError:
                break
            except OSError:
                return False
            if not message:
                return False
            self.connection.send(datagrams(message))
            if self.connection.pending and len(self.connection.pending) > MOST_PENDING:
                break
        return True

    def send_shared(self, message: memoryview) -> None:
        """A message that came by the listener's shared pair, without its address."""
        if len(self.connection.pending) < MOST_PENDING:
            self.connection.send(datagrams(message))
        else:
            self._counted["congested"] += 1

    def deliver(self, shared: socket.socket | None) -> None:
        """Hand over what came: by its own pair, else by the listener's."""
        inbox, self.connection.inbox = self.connection.inbox, []
        to = self.pair or shared
        if to is None:
            self._counted["nobody"] += len(inbox)
            return
        before = [] if self.pair is not None else [with_address(self.remote), with_address((host_of(self.spoken_to), 0))]
        for train in trains(inbox):
            try:
                to.sendmsg([*before, *train])
            except BlockingIOError:
                self._counted["congested"] += len(train)
            except OSError:  # the next read says so
                self._counted["nobody"] += len(train)
