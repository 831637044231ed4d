"""Handshake packets as they come in: what a packet claims to be is checked, and it goes to the half of the node it is for.

header ─▶ link known? ─▶ length as its link allows? ─▶ hello, finish: answering │ answer, cookie: connecting │ no session: keeping
"""

from __future__ import annotations

from appliance.api.transport import SocketAddress
from appliance.errors import PeerFault
from appliance.protocol.admission import TokenBucket
from appliance.protocol.answering import Answering
from appliance.protocol.connecting import Connecting
from appliance.protocol.events import LinkId
from appliance.protocol.keeping import Keeping
from appliance.protocol.links import Link
from appliance.protocol.shared import Shared
from appliance.wire.envelope import (
    FLAG_COOKIE,
    FLAG_FRAGMENT,
    FLAG_NO_SESSION,
    HEADER_BYTES,
    PROTO,
    Fields,
    PacketType,
    read_no_session,
    unpack,
)
from appliance.wire.faults import Fault
from appliance.wire.fragments import MAX_MESSAGE_BYTES, Reassembly

HINTS_PER_SECOND = 50
"""No-session packets that are looked at in a second: as many as one worker sends."""


class Reception:
    """Where all handshake packets of a node come in. What is wrong with a packet is counted here and not raised."""

    def __init__(
        self,
        shared: Shared,
        connecting: Connecting,
        answering: Answering,
        keeping: Keeping,
        reassembly: Reassembly,
        now: float,
    ) -> None:
        self._shared = shared
        self._connecting = connecting
        self._answering = answering
        self._keeping = keeping
        self._reassembly = reassembly
        self._hints = TokenBucket(HINTS_PER_SECOND, HINTS_PER_SECOND, now)

    def take(self, link: LinkId, source: SocketAddress | None, packet: bytes, now: float) -> None:
        """A packet, header and body, that came over `link`."""
        try:
            self._sort(link, source, packet, now)
        except PeerFault as fault:
            self._shared.judge(fault.message, self._peer_on(packet))

    def _sort(self, link: LinkId, source: SocketAddress | None, packet: bytes, now: float) -> None:
        fields = unpack(packet)
        if fields is None:
            raise PeerFault(_why_no_header(packet))
        over = self._shared.links.get(link)
        if over is None:
            raise PeerFault(Fault.UNKNOWN_LINK)
        _, kind, flags, stream, _, _, length, _ = fields
        piece = bytes(packet[HEADER_BYTES:])
        if flags & FLAG_FRAGMENT:
            if not over.datagram:
                raise PeerFault(Fault.BAD_FRAGMENT)
        elif length != len(piece):
            raise PeerFault(Fault.MALFORMED)
        if length > MAX_MESSAGE_BYTES:
            raise PeerFault(Fault.TOO_LONG)
        if kind == PacketType.HANDSHAKE_RESPONSE:
            self._take_response(over, source, fields, piece, now)
        elif kind != PacketType.HANDSHAKE_INIT:
            raise PeerFault(Fault.UNEXPECTED)
        elif stream >> 8 == 0:
            self._answering.take_hello(over, source, fields, piece, now)
        else:
            self._answering.take_finish(over, source, fields, piece, now, self._keeping.adopt)

    def _take_response(self, link: Link, source: SocketAddress | None, fields: Fields, piece: bytes, now: float) -> None:
        _, _, flags, stream, sequence, _, _, _ = fields
        if flags & FLAG_NO_SESSION:
            self._take_no_session(link, source, piece, now)
            return
        initiation = self._connecting.get(stream >> 8)
        if initiation is None or (initiation.link, initiation.to) != (link.number, source):
            raise PeerFault(Fault.UNKNOWN_INDEX)
        body = piece
        if flags & FLAG_FRAGMENT:
            joined = self._reassembly.add((link.number, source, stream, sequence >> 8), fields, piece, now)
            if joined is None:
                return
            body = joined.body
        if flags & FLAG_COOKIE:
            self._connecting.take_cookie(initiation, body, now)
        else:
            self._connecting.take_answer(initiation, body, now)

    def _take_no_session(self, link: Link, source: SocketAddress | None, body: bytes, now: float) -> None:
        """A packet that says the other side lost a session. Anybody may have sent it: it is believed where it fits, and not
        often."""
        index = read_no_session(body)
        if index is None:
            raise PeerFault(Fault.MALFORMED)
        if not self._hints.take(now):
            raise PeerFault(Fault.RATE_LIMITED)
        for session in list(self._shared.sessions.values()):
            if session.remote_index == index and (session.link, session.to) == (link.number, source):
                self._keeping.disowned(session, now)

    def _peer_on(self, packet: bytes) -> str | None:
        """Whose answer a refused packet was, if its header tells."""
        fields = unpack(packet)
        if fields is None or fields[1] != PacketType.HANDSHAKE_RESPONSE:
            return None
        initiation = self._connecting.get(fields[3] >> 8)
        return initiation.peer if initiation is not None else None


def _why_no_header(packet: bytes) -> Fault:
    if len(packet) >= HEADER_BYTES and packet[0] == PROTO >> 8 and packet[1] != PROTO & 0xFF:
        return Fault.VERSION
    return Fault.BAD_HEADER
