"""The called side of a node: hellos of strangers. The cheapest checks come first, and what is answered is bounded.

hello ─▶ known? answer again ─▶ crowded and no cookie? send one, keep nothing ─▶ rate limits ─▶ (waits) ─▶ key exchange, signature
finish ─▶ opens? ─▶ (waits) ─▶ signatures ─▶ a peer, or a stranger on probation? ─▶ room for a session? ─▶ Session

A finish that does not open may come from anybody and changes nothing. One that opens comes from the initiator. If it is not good,
the handshake ends without an answer, after the same steps whatever is wrong with it.

`Node.handle_work` does what waits, finishes first, because most of their work is done already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from appliance.api.transport import SocketAddress
from appliance.errors import PeerFault
from appliance.protocol.admission import Admission
from appliance.protocol.connecting import ready
from appliance.protocol.cookies import AMPLIFICATION, SECRET_BYTES, Cookies, cookie_reply
from appliance.protocol.counted import Count
from appliance.protocol.events import LinkId, SendMessage
from appliance.protocol.handshake import Established, Responder
from appliance.protocol.links import Link, address_of
from appliance.protocol.pathmtu import LEAST_BYTES
from appliance.protocol.pressure import Grade
from appliance.protocol.probation import Admit
from appliance.protocol.schedule import UnverifiedProof
from appliance.protocol.session import Session, SessionState
from appliance.protocol.shared import MAX_WORK, Shared
from appliance.protocol.timers import Deadline
from appliance.wire import hello, hello_json
from appliance.wire.envelope import (
    FLAG_FRAGMENT,
    FLAG_JSON,
    FLAG_LAST,
    HEADER_BYTES,
    MAX_BODY_BYTES,
    Fields,
    PacketType,
)
from appliance.wire.faults import Fault
from appliance.wire.fragments import Joined, Reassembly, resplit, split
from appliance.wire.hello import ClientHello

ANSWER_SECONDS = 5.0
"""How long we wait for the third message: as long as an initiator tries."""
MAX_ANSWERS = 512
"""The most unfinished handshakes (about 30 KB each)."""
CROWDED_ANSWERS = 64
"""From so many unfinished handshakes on, strangers must return a cookie."""
WAIT_SECONDS = 4.0
"""A hello that has waited for so long is not answered: its sender will give up before the handshake could be finished."""
SILENT_SECONDS = 2.0
"""The same for a hello that was not sent again for so long: its sender has given up already."""
RESEND_GAP = 0.2
"""Least seconds between two answers to the same hello."""

STEPS = 0xF0
"""The bits of a handshake message's number that tell how often it was cut smaller. Without them it is the number of the
message."""

Key = tuple[LinkId, SocketAddress | None, int]
"""Link, source and message number of a ClientHello."""


@dataclass(slots=True)
class Answer:
    """A ServerHello that waits for its ClientFinish. Times are monotonic seconds."""

    index: int
    """Our index of the session that it makes."""
    key: Key
    """Which hello it answers."""
    machine: Responder
    link: LinkId
    to: SocketAddress | None
    """The far end; None on a link that has only one."""
    started: float
    as_json: bool
    """The hello was JSON, and so are the answer and the finish."""
    packets: list[bytes]
    """The answer, as it goes out."""
    received_bytes: int
    """Bytes that came for this handshake, headers included."""
    validated: bool
    """The sender has shown that it receives at its address."""
    room: int
    """The longest datagram to send, in bytes."""
    steps: int = 0
    """How often that was lowered."""
    sent_bytes: int = 0
    """Bytes that we sent; at most three times `received_bytes` until `validated`."""
    sent_at: float = 0.0
    """When the answer was sent last."""
    working: bool = False
    """A finish came and waits to be judged."""

    @property
    def cost(self) -> int:
        """Bytes of datagrams that sending it takes."""
        return sum(map(len, self.packets))

    def cut_to(self, room: int) -> None:
        """Use smaller datagrams from now on."""
        self.room = room
        self.steps += 1
        self.packets = resplit(self.packets, self.index << 8 | self.steps, room)


@dataclass(slots=True)
class _Waiting:
    """A complete ClientHello that waits for its key exchange."""

    index: int
    """Our index of the session that it will make."""
    client: ClientHello
    flags: int
    """Those of its header."""
    received_bytes: int
    """Bytes that came of it, headers included, repetitions too."""
    datagram_bytes: int
    """The longest of its datagrams."""
    proven: bool
    """The sender has shown that it receives at its address."""
    since: float
    """When it was complete, in monotonic seconds."""
    heard: float
    """When something of it came last."""


class Answering:
    """All handshakes strangers began with this node."""

    def __init__(self, shared: Shared, reassembly: Reassembly, admit: Admit, now: float) -> None:
        """`admit(fingerprint, source, now)`: may somebody whom we do not know have a session?"""
        self._shared = shared
        self._reassembly = reassembly
        self._admit_stranger = admit
        self.secret = shared.entropy(SECRET_BYTES)
        """What cookies are made with."""
        self._cookies = Cookies(self.secret)
        self._admission = Admission(shared.settings.handshakes_per_second, now)
        self.grade = Grade.WELL
        """How short the host is."""
        self._answers: dict[int, Answer] = {}
        self._by_key: dict[Key, Answer] = {}
        self._waiting: dict[Key, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def crowded(self) -> bool:
        """Are so many handshakes unfinished that strangers must return a cookie first?"""
        return self.grade is not Grade.WELL or len(self._answers) >= CROWDED_ANSWERS or self._reassembly.crowded

    def configure(self, now: float) -> None:
        """The limits changed."""
        self._admission = Admission(self._shared.settings.handshakes_per_second, now)

    def take_hello(self, link: Link, source: SocketAddress | None, fields: Fields, piece: bytes, now: float) -> None:
        """A packet of a ClientHello. Raises PeerFault."""
        _, _, flags, _, sequence, _, _, _ = fields
        key = (link.number, source, sequence >> 8)
        known = self._by_key.get((link.number, source, sequence >> 8 & ~STEPS))
        if known is not None:
            if link.adapts and flags & FLAG_FRAGMENT and not flags & FLAG_LAST:
                self._follow(known, HEADER_BYTES + len(piece))
            self._repeat(known, flags, len(piece), now)
            return
        waiting = self._waiting.get((link.number, source, sequence >> 8 & ~STEPS))
        if waiting is not None:
            waiting.received_bytes += len(piece)
            waiting.heard = now
            return
        proven = not link.datagram
        if link.datagram:
            outcome = self._gate(key, link, source, fields, piece, now)
            if outcome is None:
                return
            proven = outcome
        joined = self._join(key, fields, piece, now)
        if joined is not None:
            key = (link.number, source, sequence >> 8 & ~STEPS)
            self._admit(key, link, source, flags, joined, proven, now)

    def take_finish(
        self,
        link: Link,
        source: SocketAddress | None,
        fields: Fields,
        piece: bytes,
        now: float,
        adopt: Callable[[Session, float], None],
    ) -> None:
        """A packet of a ClientFinish. `adopt(session, now)` is called when it is complete and good. Raises PeerFault."""
        _, _, flags, stream, sequence, _, _, _ = fields
        answer = self._answers.get(stream >> 8)
        if answer is None:
            self._confirm_again(stream >> 8, link, source, flags, now)
            return
        if (answer.link, answer.to) != (link.number, source):
            raise PeerFault(Fault.UNKNOWN_INDEX)
        if answer.working:
            return
        joined = self._join((link.number, source, sequence >> 8), fields, piece, now)
        if joined is None:
            return
        sealed = hello_json.decode_client_finish(joined.body) if answer.as_json else joined.body
        proof = answer.machine.open(sealed)
        answer.working = True
        self._shared.timers.cancel((Deadline.ANSWER, answer.index))
        self._shared.defer(lambda then: self._finish(answer, proof, then, adopt), now)

    def _finish(self, answer: Answer, proof: UnverifiedProof, now: float, adopt: Callable[[Session, float], None]) -> None:
        if self._answers.get(answer.index) is not answer:
            return
        try:
            established = answer.machine.finish(proof, lambda fingerprint: self._welcome(fingerprint, answer, now))
        except PeerFault:
            self.forget(answer.index)
            raise
        adopt(self._session(answer, established, now), now)

    def expire(self, index: int, _now: float) -> None:
        """The timer of an answer: nobody finished it."""
        if index in self._answers:
            self._shared.counters[Count.UNFINISHED] += 1
            self.forget(index)

    def forget(self, index: int) -> None:
        """Forget an answer that nobody finished."""
        answer = self._remove(index)
        answer.machine.abandon()
        self._shared.indexes.discard(index)
        self._shared.unuse(answer.link, index)

    def link_closed(self, link: LinkId) -> None:
        """Forget the handshakes that went over `link`."""
        for answer in [each for each in self._answers.values() if each.link == link]:
            self.forget(answer.index)
        for key in [key for key in self._waiting if key[0] == link]:
            self._shared.indexes.discard(self._waiting.pop(key).index)

    def _gate(self, key: Key, link: Link, source: SocketAddress | None, fields: Fields, piece: bytes, now: float) -> bool | None:
        """Has the sender shown that it receives at `source`? None: the packet is not to be looked at further."""
        _, _, flags, _, sequence, _, _, _ = fields
        if flags & FLAG_JSON:
            raise PeerFault(Fault.MALFORMED)
        if sequence & 0xFF:
            if self.crowded and not self._reassembly.expects(key, fields, piece):
                raise PeerFault(Fault.COOKIE_NEEDED)
            return False
        opening = hello.peek_client_hello(piece)
        address = source or far_end(link)
        if opening.cookie and self._cookies.check(opening.cookie, address, now):
            return True
        if self._admission.busy(now) or self.crowded:
            reply = cookie_reply(opening, self._cookies.make(address, now), HEADER_BYTES + len(piece), now)
            if reply is not None:
                self._shared.counters[Count.COOKIE_SENT] += 1
                self._shared.send(link.number, source, [reply])
            return None
        return False

    def _join(self, key: Key, fields: Fields, piece: bytes, now: float) -> Joined | None:
        if not fields[2] & FLAG_FRAGMENT:
            return Joined(piece, len(piece), HEADER_BYTES + len(piece))
        return self._reassembly.add(key, fields, piece, now)

    def _admit(
        self,
        key: Key,
        link: Link,
        source: SocketAddress | None,
        flags: int,
        joined: Joined,
        proven: bool,
        now: float,
    ) -> None:
        shared = self._shared
        body = joined.body
        as_json = bool(flags & FLAG_JSON)
        if as_json:
            client = hello_json.decode_client_hello(body)
        else:
            client, cookie = hello.decode_client_hello(body)
            proven = proven or self._cookies.check(cookie, source or far_end(link), now)
        if len(self._answers) >= MAX_ANSWERS or len(self._waiting) >= MAX_WORK:
            raise PeerFault(Fault.CROWDED)
        if not self._admission.admit(source or far_end(link), now):
            raise PeerFault(Fault.RATE_LIMITED)
        index = shared.new_index()
        shared.use(link.number, index)
        self._waiting[key] = _Waiting(index, client, flags, joined.wire_bytes, joined.datagram_bytes, proven, now, now)
        shared.defer(lambda then: self._answer(key, then), now, fresh=True)

    def _answer(self, key: Key, now: float) -> None:
        """Do the key exchange, sign, and send the ServerHello."""
        shared = self._shared
        waiting = self._waiting.pop(key, None)
        if waiting is None:
            return
        link, source = shared.links[key[0]], key[1]
        index, client = waiting.index, waiting.client
        as_json = bool(waiting.flags & FLAG_JSON)
        try:
            if link.datagram and (now - waiting.since > WAIT_SECONDS or now - waiting.heard > SILENT_SECONDS):
                raise PeerFault(Fault.TOO_LATE)
            machine = Responder(shared.policy, index, shared.identity, client, shared.entropy, shared.agreement)
        except PeerFault:
            shared.indexes.discard(index)
            shared.unuse(link.number, index)
            raise
        shared.counters[Count.ANSWERED] += 1
        encode = hello_json.encode_server_hello if as_json else hello.encode_server_hello
        room = link.datagram_bytes if link.datagram else MAX_BODY_BYTES
        if link.adapts and waiting.flags & FLAG_FRAGMENT:
            room = max(LEAST_BYTES, min(room, waiting.datagram_bytes))  # what got through one way may get through the other
        packets = split(
            PacketType.HANDSHAKE_RESPONSE,
            FLAG_JSON if as_json else 0,
            client.session_index << 8,
            index << 8,
            int(now * 1000),
            encode(machine.hello),
            room,
        )
        received, proven = waiting.received_bytes, waiting.proven
        answer = Answer(index, key, machine, link.number, source, now, as_json, packets, received, proven, room)
        self._answers[index] = self._by_key[key] = answer
        shared.timers.set((Deadline.ANSWER, index), now + ANSWER_SECONDS)
        self._send(answer, now)

    def _follow(self, answer: Answer, datagram_bytes: int) -> None:
        """The hello came in smaller datagrams than before: our answer did not get through."""
        room = max(LEAST_BYTES, datagram_bytes)
        if room < answer.room:
            answer.cut_to(room)
            self._shared.counters[Count.CUT_SMALLER] += 1

    def _repeat(self, answer: Answer, flags: int, piece_bytes: int, now: float) -> None:
        answer.received_bytes += piece_bytes
        complete = not flags & FLAG_FRAGMENT or flags & FLAG_LAST
        if complete and now - answer.sent_at >= RESEND_GAP:
            self._shared.counters[Count.ANSWERED_AGAIN] += 1
            self._send(answer, now)

    def _send(self, answer: Answer, now: float) -> None:
        if not answer.validated and answer.sent_bytes + answer.cost > AMPLIFICATION * answer.received_bytes:
            self._shared.counters[Count.AMPLIFICATION_REFUSED] += 1
            return
        answer.sent_bytes += answer.cost
        answer.sent_at = now
        self._shared.send(answer.link, answer.to, answer.packets)

    def _confirm_again(self, index: int, link: Link, source: SocketAddress | None, flags: int, now: float) -> None:
        session = self._shared.sessions.get(index)
        if session is None or session.initiator or (session.link, session.to) != (link.number, source):
            raise PeerFault(Fault.UNKNOWN_INDEX)
        complete = not flags & FLAG_FRAGMENT or flags & FLAG_LAST
        if complete and session.state is SessionState.ACTIVE and now - session.confirm_sent >= RESEND_GAP:
            session.confirm_sent = now
            self._shared.counters[Count.CONFIRMED_AGAIN] += 1
            self._shared.events.append(SendMessage(index, PacketType.KEEP_ALIVE, 0, b""))

    def _welcome(self, fingerprint: str, answer: Answer, now: float) -> bool:
        if fingerprint in self._shared.blocked:
            raise PeerFault(Fault.BLOCKED)
        peer = self._shared.peers_by_identity.get(fingerprint)
        if peer is None or not peer.proved:
            return self._admit_stranger(fingerprint, answer.to or far_end(self._shared.links[answer.link]), now)
        if peer.session is None and self._shared.full:
            raise PeerFault(Fault.SESSION_LIMIT)
        return True

    def _session(self, answer: Answer, established: Established, now: float) -> Session:
        shared = self._shared
        self._remove(answer.index)
        peer = shared.peers_by_identity[established.peer]
        session = Session(
            index=established.local_index,
            remote_index=established.remote_index,
            peer=peer.name,
            session_id=established.session_id,
            suite=shared.suites[established.suite],
            pq=established.pq,
            initiator=False,
            link=answer.link,
            to=answer.to,
            endpoint=shared.links[answer.link].endpoint(answer.to),
            started=answer.started,
            since=now,
            last_heard=now,
            datagram=answer.room if shared.links[answer.link].datagram else 0,
            compression=peer.settings.compression,
            exporter=bytearray(established.exporter),
            proved=peer.proved,
        )
        shared.open(session)
        shared.events.append(ready(session, established))
        return session

    def _remove(self, index: int) -> Answer:
        answer = self._answers.pop(index)
        del self._by_key[answer.key]
        self._shared.timers.cancel((Deadline.ANSWER, index))
        return answer


def far_end(link: Link) -> SocketAddress:
    """The address of a link that has one far end."""
    return address_of(link.remote) if link.remote else ("", 0)
