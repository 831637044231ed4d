"""The data channels that are open, so that each worker has them, also one that starts later.

A channel is one of a peer's numbers from 2 to 255, joined to one end of a SOCK_SEQPACKET pair: one message is the body of one
record, in either direction (docs/protocol.md, "Data channels"). Which number means what is agreed by those who open it.
"""

from __future__ import annotations

import itertools
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from appliance.errors import HostError
from appliance.runtime.workers.telling import Telling
from appliance.wire.envelope import CHANNEL_FIRST, CHANNEL_LAST

MOST_OF_A_PEER: Final = 64
MOST: Final = 1024
"""Of all peers: each costs a descriptor here and in each worker."""
BUFFER_BYTES: Final = 256 * 1024
"""Of the sockets of `channel_pair`, each way, or as much as the host allows: four of the largest messages."""


class Used(NamedTuple):
    """What went through a channel since it was opened."""

    records: int = 0
    """Sent."""
    bytes: int = 0
    """Of their bodies."""
    lost: int = 0
    """Records that came and were not taken in time."""


class Wishes(NamedTuple):
    """What whoever opens a channel wants beside that."""

    rate: int = 0
    """The most bytes a second that are sent on it; 0: as many as can be."""
    carrier: bool = False
    """Are its records the packets of a link? Then it has a larger share of a worker's time."""
    ended: Callable[[], None] = lambda: None
    """Called when the channel ends otherwise than by `close`."""
    used: Callable[[Used], None] = lambda _used: None
    """Called about once a second while something is sent on it. A worker that dies takes what it has counted with it."""


NOTHING: Final = Wishes()


class _Open(NamedTuple):
    opening: int
    """Tells this opening from earlier and later ones of the same channel."""
    end: socket.socket
    wishes: Wishes


class DataChannels:
    """The ends that are joined to channels, which are this object's, by peer and number."""

    def __init__(self) -> None:
        self._ends: dict[tuple[str, int], _Open] = {}
        self._of: Counter[str] = Counter()
        self._openings = itertools.count(1)
        self._last = 0
        """The number that was proposed last, to whatever peer."""

    def free(self, peer: str, *, odd: bool) -> int | None:
        """A number for another channel of that peer, odd or even, not one that was in use a moment ago if that can be. None: all
        are taken."""
        numbers = [number for number in range(CHANNEL_FIRST, CHANNEL_LAST + 1) if number % 2 == odd]
        for number in [*(number for number in numbers if number > self._last), *numbers]:
            if (peer, number) not in self._ends:
                self._last = number
                return number
        return None

    def open(
        self,
        peer: str,
        channel: int,
        end: socket.socket,
        workers: Iterable[Telling],
        wishes: Wishes = NOTHING,
    ) -> None:
        """Join a channel to a socket, which is this object's from now on. Raises HostError if it cannot be; then the socket stays
        the caller's."""
        if not CHANNEL_FIRST <= channel <= CHANNEL_LAST:
            raise HostError(f"{channel} is no data channel", hint=f"they are {CHANNEL_FIRST} to {CHANNEL_LAST}")
        if (peer, channel) in self._ends:
            raise HostError(f"channel {channel} of {peer} is open already")
        if self._of[peer] >= MOST_OF_A_PEER or len(self._ends) >= MOST:
            raise HostError(f"too many data channels are open: {self._of[peer]} of {peer}, {len(self._ends)} in all")
        end.settimeout(0)
        opening = next(self._openings)
        self._ends[peer, channel] = _Open(opening, end, wishes)
        self._of[peer] += 1
        for worker in workers:
            worker.open_channel(peer, channel, opening, end, wishes.rate, carrier=wishes.carrier)

    def close(self, peer: str, channel: int, workers: Iterable[Telling]) -> None:
        """Let go of a channel: whoever has the other end reads its end. Nothing happens if it is not open."""
        found = self._ends.pop((peer, channel), None)
        if found is None:
            return
        self._of[peer] -= 1
        if not self._of[peer]:
            del self._of[peer]
        found.end.close()
        for worker in workers:
            worker.close_channel(peer, channel)

    def closed(self, peer: str, channel: int, opening: int, workers: Iterable[Telling]) -> None:
        """A worker has let go of that opening of a channel: so do all."""
        found = self._ends.get((peer, channel))
        if found is not None and found.opening == opening:
            self.close(peer, channel, workers)
            found.wishes.ended()

    def used(self, peer: str, channel: int, opening: int, used: Used) -> None:
        """A worker tells what went through that opening of a channel."""
        found = self._ends.get((peer, channel))
        if found is not None and found.opening == opening:
            found.wishes.used(used)

    def tell(self, worker: Telling) -> None:
        """Give a new worker all of them."""
        for (peer, channel), each in self._ends.items():
            worker.open_channel(peer, channel, each.opening, each.end, each.wishes.rate, carrier=each.wishes.carrier)

    def close_all(self) -> None:
        """Let go of all; the workers have ended, or will have."""
        for each in self._ends.values():
            each.end.close()
        self._ends.clear()
        self._of.clear()


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends: one to be joined to a channel, and the other (blocking) for whoever uses it."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    return ends
