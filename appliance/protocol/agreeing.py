"""Agreeing on what a session may carry beyond plain packets: today, whether what one side sends may be compressed.

Each side whose profile wants it tells the other, sealed in the session, what it accepts; what is sent is compressed only after
the other side said so. A peer that says nothing, because it wants none or knows of none, gets plain packets. What was said holds
for the session: a changed profile makes a new one.

    {"kind": "compression", "accepts": ["zstd"], "answer": true}      answer: say the same of yourself, with false
"""

from __future__ import annotations

from appliance.api.peer_protocol import Limits
from appliance.errors import PeerFault
from appliance.protocol.control_channel import ControlChannel
from appliance.protocol.events import Compress, SendMessage
from appliance.protocol.families import Family
from appliance.protocol.session import Session, SessionState
from appliance.protocol.shared import Shared
from appliance.protocol.timers import Deadline
from appliance.wire import control
from appliance.wire.control import ControlMessage
from appliance.wire.envelope import CHANNEL_CONTROL, PacketType
from appliance.wire.faults import Fault

KIND = "compression"
ZSTD = "zstd"
FAMILY = Family(KIND, Limits(messages=4.0, bytes=4096.0))
"""A session takes seven messages of it at most; several sessions of a peer may begin within seconds."""
REPEAT_FIRST = 1.0
"""Seconds until we say it again, doubled each time: a record may be lost."""
REPEATS = 5
"""Then the peer is one that does not speak of it (chosen: half a minute, the time of a long loss of connection)."""


class Agreeing:
    """The agreements of all sessions of a node."""

    def __init__(self, shared: Shared, channel: ControlChannel) -> None:
        self._shared = shared
        channel.speak(FAMILY, self.take)

    def begin(self, session: Session, now: float) -> None:
        """`session` has become active."""
        if session.compression:
            self._say(session, answer=True)
            self._shared.timers.set((Deadline.COMPRESSION, session.index), now + REPEAT_FIRST)

    def due(self, index: int, now: float) -> None:
        """The timer of a session whose peer has not answered."""
        session = self._shared.sessions.get(index)
        if session is None or session.state is not SessionState.ACTIVE:
            return
        self._say(session, answer=True)
        session.said += 1
        if session.said < REPEATS:
            self._shared.timers.set((Deadline.COMPRESSION, index), now + REPEAT_FIRST * 2.0**session.said)

    def take(self, session: Session, message: ControlMessage, _now: float) -> None:
        """The peer said what it accepts. Raises PeerFault."""
        accepts, answer = message.content.get("accepts"), message.content.get("answer")
        if not isinstance(accepts, list) or not isinstance(answer, bool):
            raise PeerFault(Fault.MALFORMED)
        if not session.compression or session.state is not SessionState.ACTIVE:
            return
        if answer:
            self._say(session, answer=False)
        else:
            self._shared.timers.cancel((Deadline.COMPRESSION, session.index))
        if ZSTD in accepts and not session.compressing:
            session.compressing = True
            self._shared.events.append(Compress(session.index))

    def _say(self, session: Session, *, answer: bool) -> None:
        body = control.encode(ControlMessage(KIND, {"accepts": [ZSTD], "answer": answer}))
        self._shared.events.append(SendMessage(session.index, PacketType.DATA, CHANNEL_CONTROL, body))
