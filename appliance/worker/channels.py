"""The open data channels of a worker, and whose turn it is.

A channel that may have messages stands in a ring. Each turn of the loop serves some of the ring, as long as there is something
left of their share of the worker's time (`share`), and one channel has a few records before the next one's turn. What comes in
has a share as well: links over which more comes are left unread meanwhile.

A channel is not read while its peer has no session here, or a session whose link is full. Then its messages wait in the socket,
and whoever writes them waits.
"""

from __future__ import annotations

import heapq
import itertools
import os
import select
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from appliance.dataplane.channels import SendBody, deliver, send_one
from appliance.dataplane.classes import BULK
from appliance.dataplane.queueing import Lane
from appliance.worker import pairs
from appliance.worker.share import CARRIERS_SHARE, GAP, SHARE, Share

if TYPE_CHECKING:
    from appliance.api.transport import Driver
    from appliance.dataplane.peers import Channel, Peer, Session, World

OF_ONE: Final = 4
"""Records of one channel before the next one's turn."""
BURSTS: Final = 4
"""Channels that have their turn in one turn of the loop."""
COMING: Final = 5.0
"""How much longer it takes to read, open and hand on a record than to hand it on."""
RECORD_BYTES: Final = 16384
"""A record costs as much as so many bytes of it."""
TOLD_EVERY: Final = 1.0
"""Seconds between two reports of what went through channels."""
BURST_SECONDS: Final = 0.05
"""What a channel that was quiet may send at once, in seconds of its rate."""
READABLE: Final = select.EPOLLIN | select.EPOLLONESHOT


class Channels:
    """The open data channels of one worker.

    `tx` is the transmit buffer and `send_body` seals from it (`Outbound.send_body`); `closed(peer, channel, opening)` is
    called for a channel whose other end was closed, or whose peer is no more, and `used_by(channels)` now and then for those on
    which something was sent. `clock` gives seconds of a monotonic clock, `used`
    those of the processor that the worker has used.
    """

    def __init__(
        self,
        world: World,
        tx: memoryview,
        send_body: SendBody,
        epoll: select.epoll,
        closed: Callable[[str, int, int], None],
        used_by: Callable[[Iterable[Channel]], None],
        clock: Callable[[], float],
        used: Callable[[], float],
    ) -> None:
        self._world = world
        self._tx = tx
        self._send_body = send_body
        self._epoll = epoll
        self._closed = closed
        self._tell = used_by
        self._moved: set[Channel] = set()
        """Channels on which something was sent since that was told last."""
        self._next_told = 0.0
        self._clock = clock
        self._used = used
        self._by_descriptor: dict[int, Channel] = {}
        self._ring: deque[Channel] = deque()
        self._resting: set[Channel] = set()
        self._due: list[tuple[float, int, Channel]] = []
        """Channels that wait for their peer's rate: until when, a number that tells equals apart, the channel."""
        self._numbers = itertools.count()
        self._share = Share()
        self._carriers = 0
        self._byte_seconds = 6e-10
        """What each byte of a record that came took lately; a guess before the first."""
        self._idle = 0.0
        """Seconds that were waited since the last turn."""
        self._hushed = False
        self._turn = -1
        self.noisy: set[Driver] = set()
        """Links over which records for channels came since the last turn."""
        self.pressing = False
        """Is there anything to do in the next turn, or at some time, without another event?"""

    # ---- opening and closing ----

    def open(self, channel: Channel) -> None:
        """Take a channel, and its descriptor with it. One that is open under its number is closed first."""
        peer = channel.peer
        self.close(peer, channel.number)
        peer.channels = {**peer.channels, channel.number: channel}
        self._by_descriptor[channel.descriptor] = channel
        self._epoll.register(channel.descriptor, READABLE)
        self._count_carriers(1 if channel.carrier else 0)

    def close(self, peer: Peer, number: int) -> None:
        """Let go of a channel; nothing happens if it is not open."""
        channel = peer.channels.get(number)
        if channel is None:
            return
        peer.channels = {each: other for each, other in peer.channels.items() if each != number}
        del self._by_descriptor[channel.descriptor]
        self._resting.discard(channel)
        self._moved.discard(channel)
        self._epoll.unregister(channel.descriptor)
        os.close(channel.descriptor)
        self._count_carriers(-1 if channel.carrier else 0)

    def _count_carriers(self, more: int) -> None:
        self._carriers += more
        self._share.portion = CARRIERS_SHARE if self._carriers else SHARE

    def forget(self, peer: Peer) -> None:
        """Let go of all channels of a peer that is no more."""
        for channel in tuple(peer.channels.values()):
            self._end(channel)

    # ---- what happens ----

    def take(self, session: Session, link: Driver, number: int, body: memoryview) -> None:
        """A record of a channel came in over a link."""
        before, weight = self._used(), RECORD_BYTES + len(body)
        if deliver(self._world, session, number, body):
            took = COMING * (self._used() - before)
            self._byte_seconds += (took / weight - self._byte_seconds) / 16
        else:  # which was quick, and says nothing of the work before
            took = self._byte_seconds * weight
        self._share.came(took)
        self.noisy.add(link)
        self.pressing = True

    def heard(self, descriptor: int) -> bool:
        """A descriptor can be read, or its other end was closed. False: it is not a channel's."""
        channel = self._by_descriptor.get(descriptor)
        if channel is None:
            return False
        self._resting.discard(channel)
        self._ring.append(channel)
        self.pressing = True
        return True

    def has(self, descriptor: int) -> bool:
        """Is it one of a channel?"""
        return descriptor in self._by_descriptor

    def wake(self, peer: Peer) -> None:
        """The peer has a session here now."""
        self._go_on(peer.channels.values())

    def unblocked(self) -> None:
        """A link takes more again."""
        if self._resting:
            self._go_on(tuple(self._resting))

    def _go_on(self, channels: Iterable[Channel]) -> None:
        for channel in channels:
            if channel in self._resting:
                self._resting.discard(channel)
                self._ring.append(channel)
                self.pressing = True

    # ---- turns ----

    def poll(self, wait: float) -> list[tuple[int, int]]:
        """Wait for events as the loop would, but not longer than channels can wait. Negative: for ever."""
        wait = self._wait(wait)
        if not wait:
            return self._epoll.poll(0)
        before = self._clock()
        events = self._epoll.poll(wait)
        self._idle += self._clock() - before
        return events

    def _wait(self, wait: float) -> float:
        if self._ring:
            return 0.0
        if self._hushed:
            wait = GAP if wait < 0 else min(GAP, wait)
        if self._moved:
            wait = TOLD_EVERY if wait < 0 else min(TOLD_EVERY, wait)
        if not self._due:
            return wait
        due = max(0.0, self._due[0][0] - self._clock())
        return due if wait < 0 else min(due, wait)

    def can_wait(self) -> bool:
        """While there are events: is there nothing to do in this millisecond that was not done before?"""
        return self._turn == self._world.now and (not self._ring or self._share.left <= 0)

    def turn(self, others: bool) -> bool:
        """Serve some of the ring. `others`: there was other traffic in this turn of the loop. Returns whether links over which
        much comes in for channels should be left unread until the next turn."""
        self._turn = self._world.now
        now, share = self._clock(), self._share
        share.begin(now, self._used(), others, self._idle)
        self._idle = 0.0
        while self._due and self._due[0][0] <= now:
            self._ring.append(heapq.heappop(self._due)[2])
        for _ in range(BURSTS):
            if not self._ring or share.left <= 0:
                break
            channel = self._ring.popleft()
            if channel.peer.channels.get(channel.number) is channel and self._serve(channel, now):
                self._ring.append(channel)
            share.sent(self._used())
        if self._moved and now >= self._next_told:
            self._next_told = now + TOLD_EVERY
            self._tell(self._moved)
            self._moved.clear()
        self._hushed = share.exceeded
        self.pressing = bool(self._ring or self._due or self._hushed or self._moved)
        return self._hushed

    def _serve(self, channel: Channel, now: float) -> bool:
        """Send a few messages of a channel. True: there may be more, and they can be sent."""
        peer, world = channel.peer, self._world
        for _ in range(OF_ONE):
            session = peer.session
            if session is None or session.link is None or session.link in world.blocked:
                self._rest(channel)
                return False
            if (channel.rate and not self._is_due(channel, now)) or (peer.rate and not self._may_go(channel, now)):
                return False
            try:
                sent = send_one(world, channel, session, self._tx, self._send_body)
            except BlockingIOError:
                self._epoll.modify(channel.descriptor, READABLE)
                return False
            if not sent and pairs.hung_up(channel.descriptor):
                self._end(channel)
                return False
            if not sent:
                world.drop("malformed")
            if peer.rate and peer.lane is not None:
                peer.lane.pay(sent)
            if channel.rate:
                channel.due = max(channel.due, now - BURST_SECONDS) + sent / channel.rate
            self._moved.add(channel)
        return True

    def _is_due(self, channel: Channel, now: float) -> bool:
        """A channel's own rate. False: it waits until it may go on."""
        if channel.due <= now:
            return True
        heapq.heappush(self._due, (channel.due, next(self._numbers), channel))
        return False

    def _may_go(self, channel: Channel, now: float) -> bool:
        """A peer's rate is for its channels and packets together. False: the channel waits until it may go on."""
        peer = channel.peer
        lane = peer.lane = peer.lane or Lane(peer, peer.rate, now)
        wait = lane.wait(BULK, now)
        if wait > 0:
            heapq.heappush(self._due, (now + wait, next(self._numbers), channel))
        return wait <= 0

    def _rest(self, channel: Channel) -> None:
        """What it has cannot go now: ask for nothing but its end. If its peer has no session anywhere, ask for one."""
        peer, ended = channel.peer, pairs.hung_up(channel.descriptor)
        if ended and not pairs.has_more(channel.descriptor):
            self._end(channel)
            return
        self._resting.add(channel)
        self._epoll.modify(channel.descriptor, select.EPOLLONESHOT | (0 if ended else select.EPOLLRDHUP))
        if peer.session is None and peer.elsewhere is None:
            self._world.want(peer)

    def _end(self, channel: Channel) -> None:
        """Let go of a channel that nobody has told this worker to close."""
        self.close(channel.peer, channel.number)
        self._closed(channel.peer.name, channel.number, channel.opening)
