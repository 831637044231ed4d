"""The carrier's loop: waits for packets, for the worker's messages, for orders and for timers, and settles each link once a turn.

What came in one turn is acknowledged, delivered and answered together: that is what makes QUIC cheap here.
"""

from __future__ import annotations

import heapq
import json
import select
import socket
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import Any, Final, NamedTuple

from qh3.quic.configuration import QuicConfiguration

from appliance_transport_quic.connection import Connection
from appliance_transport_quic.link import Link
from appliance_transport_quic.listening import Listening
from appliance_transport_quic.outside import Outside
from appliance_transport_quic.tls import in_words
from appliance_transport_quic.trains import LONGEST_TRAIN, address

LONGEST_ORDER: Final = 16384
HANDSHAKE_SECONDS: Final = 10.0
"""How long a stranger may take for the handshake."""
STRANGER_SECONDS: Final = 30.0
"""How long a connection may go without a link of its own: LLP's handshake takes a second."""
FIGURES_SECONDS: Final = 1.0
SOONEST_SECONDS: Final = 0.001
SHARED_BUDGET: Final = 16
"""Messages of the listener's shared pair in one turn."""


class Call(NamedTuple):
    """A call that is under way."""

    number: int
    """The order's."""
    shown: str
    """Who is called, for people."""
    deadline: float


class Turning:
    """All links of one transport. `random(n)`: n random bytes."""

    def __init__(
        self,
        node: socket.socket,
        called: QuicConfiguration | None,
        calls: Mapping[str, Any],
        random: Callable[[int], bytes],
    ) -> None:
        self._node = node
        self._called = called
        self._calls = calls
        self._random = random
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[float], None]] = {}
        self._listening: Listening | None = None
        self._outside: Outside | None = None
        self._shared: socket.socket | None = None
        self._calling: dict[Link, Call | None] = {}
        self._touched: set[Link] = set()
        self._timers: list[tuple[float, int, weakref.ref[Link]]] = []
        """A link that is over may stand here for a while, and is not to be kept for that."""
        self._order = count()
        self.counted: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._tell_at = 0.0
        self._running = True

    def run(self, clock: Callable[[], float]) -> None:
        """Until the node is gone."""
        self._watch(self._node, self._hear)
        while self._running:
            ready = self._poll.poll(self._pause(clock()))
            now = clock()
            for descriptor, _ in ready:
                handler = self._handlers.get(descriptor)
                if handler is not None:
                    handler(now)
            self._expire(now)
            while self._touched:
                self._settle(self._touched.pop(), now)
            self._tell(now)
        self._say_goodbye(clock())

    # ---- what a turn does with a link ----

    def _settle(self, link: Link, now: float) -> None:
        connection = link.connection
        if self._listening is not None:
            self._listening.settle(link)
        if connection.established and not link.established and not connection.ended:
            self._is_established(link, now)
        link.outside.send(connection.transmits(now), link.spoken_to)
        if connection.inbox:
            link.deliver(self._shared)
        call = self._calling.get(link)
        if call is not None and link.outside.problem and not connection.ended:
            connection.close("unreachable")
        if connection.ended:
            self._finish(link)
            return
        self._read_pair_if(link, wanted=link.established and not connection.pending)
        self._plan(link, now)

    def _is_established(self, link: Link, now: float) -> None:
        link.established = True
        link.since = now
        call = self._calling.get(link)
        if call is not None:
            self._calling[link] = None
            self._say({"id": call.number, "error": ""})

    def _finish(self, link: Link) -> None:
        """It is over, and what could be said about that has been said."""
        connection = link.connection
        self.counted[connection.ended] += 1
        self._lose_pair(link)
        if self._listening is not None:
            self._listening.forget(link)
        if link in self._calling:
            call = self._calling.pop(link)
            self._unwatch(link.outside.sock)
            link.outside.sock.close()
            if call is not None:
                slow = f"{call.shown} does not answer" if connection.ended == "slow" else ""
                said = link.outside.problem or slow or in_words(connection.alert, connection.said, call.shown)
                self._say({"id": call.number, "error": said})

    def _read_pair_if(self, link: Link, *, wanted: bool) -> None:
        if link.pair is None or link.reads_pair == wanted:
            return
        link.reads_pair = wanted
        if wanted:
            self._watch(link.pair, lambda now: self._read_pair(link, now))
        else:
            self._unwatch(link.pair)

    def _read_pair(self, link: Link, now: float) -> None:
        self._touched.add(link)
        if not link.read_pair():
            self._lose_pair(link)
            link.since = now
            if link in self._calling:
                link.connection.close()
            elif self._listening is not None:
                self._listening.lost_pair(link)

    def _lose_pair(self, link: Link) -> None:
        if link.pair is not None:
            self._read_pair_if(link, wanted=False)
            link.pair.close()
            link.pair = None

    # ---- timers ----

    def _plan(self, link: Link, now: float) -> None:
        due = min((each for each in (link.connection.timer, self._deadline(link)) if each is not None), default=None)
        if due is not None and due <= now:
            due = now + SOONEST_SECONDS  # it was due a moment ago, and nothing came of it
        if due is not None and (link.due is None or due < link.due):
            link.due = due
            heapq.heappush(self._timers, (due, next(self._order), weakref.ref(link)))

    def _deadline(self, link: Link) -> float | None:
        if link in self._calling:
            call = self._calling[link]
            return None if call is None else call.deadline
        if link.pair is not None:
            return None
        return link.since + (STRANGER_SECONDS if link.established else HANDSHAKE_SECONDS)

    def _expire(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            due, _, reference = heapq.heappop(self._timers)
            link = reference()
            if link is None or link.due != due or link.connection.ended:
                continue
            link.due = None
            self._touched.add(link)
            deadline, timer = self._deadline(link), link.connection.timer
            if deadline is not None and deadline <= now:
                link.connection.close("slow")
            elif timer is not None and timer <= now:
                link.connection.handle_timer(now)

    def _pause(self, now: float) -> float:
        """Seconds to wait at most; -1: as long as it takes."""
        due = [self._timers[0][0]] if self._timers else []
        if self.counted != self._told:
            due.append(self._tell_at)
        return max(0.0, min(due) - now) if due else -1

    # ---- what comes from outside ----

    def _take_called(self, now: float) -> None:
        assert self._listening is not None
        assert self._outside is not None
        with suppress(OSError):  # news about an earlier packet
            for came in self._outside.receive():
                self._touched |= self._listening.take(came, now)

    def _take(self, link: Link, now: float) -> None:
        self._touched.add(link)
        try:
            for came in link.outside.receive():
                link.connection.receive(came.data, came.segment, came.source, now)
        except OSError as error:
            link.outside.note(error)

    def _take_shared(self, _now: float) -> None:
        """What the worker sends to strangers, and to those whose pair is gone."""
        assert self._shared is not None
        assert self._listening is not None
        for _ in range(SHARED_BUDGET):
            try:
                message = memoryview(self._shared.recv(LONGEST_TRAIN + 4096))
            except BlockingIOError:
                return
            except OSError:
                message = memoryview(b"")
            if not message:
                self._unwatch(self._shared)
                return
            try:
                to, at = address(message)
            except ValueError:
                self.counted["malformed"] += 1
                continue
            link = self._listening.by_remote.get(to)
            if link is None:
                self.counted["unreachable"] += 1
            else:
                link.send_shared(message[at:])
                self._touched.add(link)

    # ---- the node ----

    def _hear(self, now: float) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._node, LONGEST_ORDER, 2)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            self._running = False
            return
        order, sockets = json.loads(data), [socket.socket(fileno=each) for each in descriptors]
        for each in sockets:
            each.setblocking(False)  # noqa: FBT003 - its name for it
        try:
            if "call" in order:
                self._call(order, (sockets[0], sockets[1]), now)
            elif "listen" in order:
                self._listen(*sockets)
                self._say({"id": order["id"], "error": ""})
            else:
                self._say({"id": order["id"], "error": self._attach((order["attach"][0], order["attach"][1]), *sockets)})
        except Exception as error:  # noqa: BLE001 - the node waits for a word
            for each in sockets:
                each.close()
            self._say({"id": order["id"], "error": str(error) or type(error).__name__})

    def _call(self, order: Mapping[str, Any], sockets: tuple[socket.socket, socket.socket], now: float) -> None:
        outside, pair = sockets
        configuration = QuicConfiguration(is_client=True, server_name=order["call"], **self._calls)
        to = outside.getpeername()
        link = Link(Connection(configuration), Outside(outside, self.counted), to, now, self.counted)
        link.connection.connect(to, now)
        link.pair = pair
        self._calling[link] = Call(order["id"], order["shown"], now + order["seconds"])
        self._watch(outside, lambda then: self._take(link, then))
        self._touched.add(link)

    def _listen(self, outside: socket.socket, pair: socket.socket) -> None:
        assert self._called is not None
        self._outside, self._shared = Outside(outside, self.counted), pair
        self._listening = Listening(self._called, self._outside, self.counted, self._random)
        self._watch(outside, self._take_called)
        self._watch(pair, self._take_shared)

    def _attach(self, remote: tuple[str, int], pair: socket.socket) -> str:
        link = self._listening.by_remote.get(remote) if self._listening is not None else None
        if link is None or not link.established or link.connection.ended:
            pair.close()
            return "it is gone"
        assert self._listening is not None
        self._lose_pair(link)
        link.pair = pair
        self._listening.has_pair(link)
        self._touched.add(link)
        return ""

    def _tell(self, now: float) -> None:
        if self.counted != self._told and now >= self._tell_at:
            self._told = self.counted.copy()
            self._tell_at = now + FIGURES_SECONDS
            self._say({"figures": self.counted})

    def _say(self, message: Mapping[str, Any]) -> None:
        """Tell the node. It reads promptly; what it has no room for is lost, as it is busy with more than our words then."""
        with suppress(OSError):
            self._node.send(json.dumps(message).encode())

    def _say_goodbye(self, now: float) -> None:
        """Whoever has a connection hears that it is over, and need not wait for silence."""
        links = {*self._calling, *(self._listening or ())}
        for link in links:
            link.connection.close()
            link.outside.send(link.connection.transmits(now), link.spoken_to)

    def _watch(self, sock: socket.socket, handler: Callable[[float], None]) -> None:
        self._handlers[sock.fileno()] = handler
        self._poll.register(sock.fileno(), select.EPOLLIN)

    def _unwatch(self, sock: socket.socket) -> None:
        if self._handlers.pop(sock.fileno(), None) is not None:
            self._poll.unregister(sock.fileno())
