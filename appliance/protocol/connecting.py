"""The calling side of a node: reach peers, begin handshakes, send again what may be lost, and try elsewhere what fails."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from appliance.api.transport import SocketAddress
from appliance.errors import PeerFault
from appliance.protocol.counted import Count
from appliance.protocol.events import CloseReason, Dial, LinkId, SessionReady
from appliance.protocol.handshake import Established, Initiator
from appliance.protocol.links import Link
from appliance.protocol.pathmtu import BASE_BYTES, LEAST_BYTES
from appliance.protocol.peer import Peer
from appliance.protocol.session import Session, SessionState
from appliance.protocol.shared import Shared
from appliance.protocol.timers import Deadline
from appliance.wire import hello
from appliance.wire.envelope import FLAG_COOKIE, MAX_BODY_BYTES, PacketType
from appliance.wire.faults import Fault
from appliance.wire.fragments import resplit, split
from appliance.wire.hello import ServerHello

RESEND_FIRST = 0.3
"""Seconds until a message is sent again for the first time: a round trip around the world. Doubled each time."""
RESEND_MOST = 1.0
"""The most seconds between two sendings, so that a node that has just started is reached within a second."""
ATTEMPT_SECONDS = 5.0
"""How long the only endpoint of a peer is tried."""
ATTEMPT_SECONDS_OF_SEVERAL = 2.0
"""How long an endpoint is tried if there are others."""
DIAL_SECONDS = 10.0
"""How long a dial may take."""
RESENDS_AS_BEFORE = 1
"""How often a message is sent again in datagrams of the first size. After that they are smaller: a path that drops long datagrams
and says nothing (a black hole) cannot be told from any other loss."""
MAX_WAITING = 8
"""Answers to one attempt that wait to be judged (9 KB and half a millisecond each). Forged answers do not end the attempt."""
MAX_COOKIES = 2
"""Cookies of one attempt that are returned at once. Whoever sees our hello can forge cookies, so of the further ones one is kept
and returned when the hello is sent again. It is drawn at random: the real cookie comes each time, and a forger cannot be sure to
be the first or the last."""
HALF = 0.5
MAX_CONNECTING = 256
"""Attempts under way at the same time. Further peers wait for their turn."""
PADDED_BYTES = 3136
"""Length of a ClientHello on datagram links. The other side may send at most three times what it received, and its answer has 9
KB, and more when it is cut into the smallest datagrams (548 bytes)."""


@dataclass(slots=True)
class Initiation:
    """A handshake we began, until its session is confirmed. Times are monotonic seconds."""

    index: int
    """Our index of the session that it makes."""
    peer: str
    """The peer's name."""
    machine: Initiator
    link: LinkId
    to: SocketAddress | None
    """The far end; None on a link that has only one."""
    started: float
    deadline: float
    """When it is given up."""
    room: int
    """The longest datagram to send now, in bytes."""
    steps: int = 0
    """How often that was lowered."""
    resends: int = 0
    """How often the current message was sent again."""
    number: int = 0
    """The current message's number on the wire. It contains `steps`, so that pieces of two sizes are never put together."""
    gap: float = RESEND_FIRST
    """Seconds until the message is sent again."""
    cookies: int = 0
    """Cookies that we returned."""
    later: bytes = b""
    """A further cookie, to return when the hello is sent again; empty if there is none."""
    failures: int = 0
    """Answers that were not good. After the first of them the message is sent again even while answers wait."""
    waiting: int = 0
    """Answers that wait to be judged."""
    packets: list[bytes] = field(default_factory=list)
    """The current message, as it goes out."""


class Connecting:
    """All handshakes this node began."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._initiations: dict[int, Initiation] = {}
        self._waiting: deque[str] = deque()
        self._dialing = 0

    def __len__(self) -> int:
        return len(self._initiations)

    def get(self, index: int) -> Initiation | None:
        """The handshake whose session will have our index `index`."""
        return self._initiations.get(index)

    def connect(self, peer: Peer, now: float) -> None:
        """Reach `peer` at its next endpoint, as soon as it is its turn."""
        if peer.busy or peer.queued or not peer.endpoints or peer.settings.identity in self._shared.blocked:
            return
        self._shared.timers.cancel((Deadline.CONNECT, peer.name))
        peer.queued = True
        self._waiting.append(peer.name)
        self.pump(now)

    def pump(self, now: float) -> None:
        """Dial for peers that wait, as many as there may be at a time."""
        while self._waiting and self._dialing + len(self._initiations) < MAX_CONNECTING:
            peer = self._shared.peers.get(self._waiting.popleft())
            if peer is None or not peer.queued:
                continue
            peer.queued = False
            if peer.busy or not peer.endpoints:
                continue
            if peer.session is None and peer.proved and self._shared.full:
                self._shared.judge(Fault.SESSION_LIMIT, peer.name)
                self.failed(peer, Fault.SESSION_LIMIT, now)
                continue
            peer.dialing = True
            self._dialing += 1
            self._shared.timers.set((Deadline.DIAL, peer.name), now + DIAL_SECONDS)
            self._shared.events.append(Dial(peer.name, peer.next_endpoint))

    def dialed(self, peer: Peer) -> bool:
        """The dial is over. False if none was under way."""
        if not peer.dialing:
            return False
        peer.dialing = False
        self._dialing -= 1
        self._shared.timers.cancel((Deadline.DIAL, peer.name))
        return True

    def dial_failed(self, peer: Peer, reason: str, now: float) -> None:
        """The dial failed."""
        if self.dialed(peer):
            self._shared.counters[Count.DIAL_FAILED] += 1
            self.failed(peer, reason, now)
            self.pump(now)

    def dial_timed_out(self, peer: Peer, now: float) -> None:
        """The timer of a dial."""
        self.dial_failed(peer, "dial-timeout", now)

    def begin(self, peer: Peer, link: LinkId, to: SocketAddress | None, now: float) -> None:
        """Start a handshake with `peer` over `link`."""
        shared = self._shared
        index = shared.new_index()
        machine = Initiator(shared.policy, index, shared.identity, peer.settings.identity, shared.entropy, shared.agreement)
        alone = len(peer.endpoints) < 2
        deadline = now + (ATTEMPT_SECONDS if alone else ATTEMPT_SECONDS_OF_SEVERAL)
        over = shared.links[link]
        room = MAX_BODY_BYTES
        if over.datagram:
            room = peer.remembered(over.endpoint(to), over.room) if over.adapts else over.datagram_bytes
        initiation = Initiation(index, peer.name, machine, link, to, now, deadline, room)
        self._initiations[index] = initiation
        peer.initiation = index
        shared.use(link, index)
        shared.counters[Count.INITIATED] += 1
        self._send_hello(initiation, b"", now)

    def take_cookie(self, initiation: Initiation, body: bytes, now: float) -> None:
        """The peer wants its cookie back before it works for us. Raises PeerFault."""
        cookie = hello.decode_cookie_reply(body, initiation.machine.hello.random)
        if initiation.index in self._shared.sessions:
            return
        if initiation.cookies >= MAX_COOKIES:
            if not initiation.later or self._shared.chance() < HALF:
                initiation.later = cookie
            return
        initiation.gap = RESEND_FIRST
        self._return(initiation, cookie, now)

    def _return(self, initiation: Initiation, cookie: bytes, now: float) -> None:
        initiation.cookies += 1
        initiation.later = b""
        self._shared.counters[Count.COOKIE_RETURNED] += 1
        self._send_hello(initiation, cookie, now)

    def take_answer(self, initiation: Initiation, body: bytes, now: float) -> None:
        """The peer's hello: makes a session in state HANDSHAKING, unless it came twice. Raises PeerFault."""
        if initiation.index in self._shared.sessions:
            return
        if initiation.waiting >= MAX_WAITING:
            raise PeerFault(Fault.CROWDED)
        answer = hello.decode_server_hello(body)
        initiation.waiting += 1
        self._shared.defer(lambda then: self._finish(initiation, answer, then), now, initiation.peer)

    def _finish(self, initiation: Initiation, answer: ServerHello, now: float) -> None:
        initiation.waiting -= 1
        if self._initiations.get(initiation.index) is not initiation or initiation.link not in self._shared.links:
            return
        if initiation.index in self._shared.sessions:
            return
        try:
            sealed, established = initiation.machine.finish(answer)
        except PeerFault:
            initiation.failures += 1
            raise
        session = self._session(initiation, established, now)
        self._send(initiation, 0, session.remote_index << 8, 2, sealed, now)

    def confirmed(self, session: Session) -> None:
        """The peer has shown that it has the session's keys."""
        self._forget(session.index)

    def cancel(self, peer: Peer, now: float) -> None:
        """Give up what is under way for `peer`, without counting it as a failure."""
        self.dialed(peer)
        peer.queued = False
        self._shared.timers.cancel((Deadline.CONNECT, peer.name))
        if peer.initiation is not None:
            self._abandon(self._initiations[peer.initiation], now)

    def resend(self, index: int, now: float) -> None:
        """The timer of an attempt: send again or give up."""
        initiation = self._initiations.get(index)
        if initiation is None:
            return
        link = self._shared.links.get(initiation.link)
        if now >= initiation.deadline or link is None:
            self.give_up(initiation, Count.TIMEOUT, now)
            return
        if link.datagram and (not initiation.waiting or initiation.failures):
            if initiation.later:
                self._return(initiation, initiation.later, now)
                return
            self._shared.counters[Count.RESENT] += 1
            initiation.resends += 1
            if link.adapts and initiation.resends > RESENDS_AS_BEFORE:
                self._step_down(initiation)
            self._shared.send(initiation.link, initiation.to, initiation.packets)
        self._rearm(initiation, now)

    def give_up(self, initiation: Initiation, reason: str, now: float) -> None:
        """An attempt failed; the next goes elsewhere or later."""
        peer = self._shared.peers.get(initiation.peer)
        link = self._shared.links.get(initiation.link)
        self._shared.counters[reason] += 1
        if peer is not None and link is not None and initiation.steps:
            self._remember(peer, link, initiation)
        self._abandon(initiation, now)
        if peer is not None:
            self.failed(peer, reason, now)

    def no_room(self, index: int, now: float) -> bool:
        """There is no room for the session of an attempt: give up before the peer learns of it. False if we did not begin it."""
        initiation = self._initiations.get(index)
        if initiation is None:
            return False
        self._shared.unsend(initiation.packets)
        self.give_up(initiation, Count.NO_ROOM, now)
        return True

    def failed(self, peer: Peer, reason: str, now: float) -> None:
        """Plan the next attempt."""
        peer.failed(now, reason)
        if peer.endpoints:
            self._shared.timers.set((Deadline.CONNECT, peer.name), now + peer.pause(now, self._shared.chance()))

    def link_closed(self, link: LinkId, now: float) -> None:
        """End the attempts that went over `link`."""
        for initiation in [each for each in self._initiations.values() if each.link == link]:
            self.give_up(initiation, Count.LINK_CLOSED, now)

    def _session(self, initiation: Initiation, established: Established, now: float) -> Session:
        shared = self._shared
        link = shared.links[initiation.link]
        session = Session(
            index=established.local_index,
            remote_index=established.remote_index,
            peer=initiation.peer,
            session_id=established.session_id,
            suite=shared.suites[established.suite],
            pq=established.pq,
            initiator=True,
            link=initiation.link,
            to=initiation.to,
            endpoint=link.endpoint(initiation.to),
            started=initiation.started,
            since=now,
            last_heard=now,
            datagram=initiation.room if link.datagram else 0,
            compression=shared.peers[initiation.peer].settings.compression,
            exporter=bytearray(established.exporter),
            proved=shared.peers[initiation.peer].proved,
        )
        shared.open(session)
        shared.events.append(ready(session, established))
        return session

    def _send_hello(self, initiation: Initiation, cookie: bytes, now: float) -> None:
        link = self._shared.links[initiation.link]
        body = hello.encode_client_hello(initiation.machine.hello, cookie, PADDED_BYTES if link.datagram else 0)
        self._send(initiation, FLAG_COOKIE if cookie else 0, 0, initiation.cookies, body, now)

    def _send(self, initiation: Initiation, flags: int, stream: int, message: int, body: bytes, now: float) -> None:
        initiation.number = initiation.index << 8 | initiation.steps << 4 | message
        initiation.resends = 0
        initiation.packets = split(
            PacketType.HANDSHAKE_INIT, flags, stream, initiation.number, int(now * 1000), body, initiation.room
        )
        self._shared.send(initiation.link, initiation.to, initiation.packets)
        self._rearm(initiation, now)

    def _step_down(self, initiation: Initiation) -> None:
        """Cut the message smaller. It gets another number, since pieces of different lengths do not fit together."""
        hurried = initiation.deadline - initiation.started <= ATTEMPT_SECONDS_OF_SEVERAL
        room = LEAST_BYTES if hurried or initiation.room <= BASE_BYTES else BASE_BYTES
        if room < initiation.room:
            initiation.room = room
            initiation.steps += 1
            initiation.number += 1 << 4
            initiation.packets = resplit(initiation.packets, initiation.number, room)
            self._shared.counters[Count.CUT_SMALLER] += 1

    def _remember(self, peer: Peer, link: Link, initiation: Initiation) -> None:
        endpoint = link.endpoint(initiation.to)
        if endpoint is not None:
            peer.remember(endpoint, initiation.room)

    def _rearm(self, initiation: Initiation, now: float) -> None:
        self._shared.timers.set((Deadline.HELLO, initiation.index), min(now + initiation.gap, initiation.deadline))
        initiation.gap = min(2 * initiation.gap, RESEND_MOST)

    def _abandon(self, initiation: Initiation, now: float) -> None:
        initiation.machine.abandon()
        self._forget(initiation.index)
        session = self._shared.sessions.get(initiation.index)
        if session is not None and session.state is SessionState.HANDSHAKING:
            self._shared.close(session, CloseReason.UNCONFIRMED)
        elif session is None:
            self._shared.indexes.discard(initiation.index)
            self._shared.unuse(initiation.link, initiation.index)
        self.pump(now)

    def _forget(self, index: int) -> None:
        initiation = self._initiations.pop(index, None)
        if initiation is None:
            return
        self._shared.timers.cancel((Deadline.HELLO, index))
        peer = self._shared.peers.get(initiation.peer)
        if peer is not None and peer.initiation == index:
            peer.initiation = None


def ready(session: Session, established: Established) -> SessionReady:
    """The event that tells the driver to install a session's keys."""
    return SessionReady(
        session.index,
        session.remote_index,
        session.peer,
        session.session_id,
        session.suite,
        established.send_chain,
        established.receive_chain,
        session.pq,
        session.link,
        session.to,
        session.compression,
    )
