"""The control channel of all sessions: what comes is judged here, sorted into families, and waits for its handler; what goes out
goes over the session that carries the peer's traffic.

    record ─▶ family known? ─▶ may this peer say it? ─▶ within its budget? ─▶ well-formed? ─▶ answer:  to who asked
                                                                                           ├▶ core's:  handled at once
                                                                                           └▶ message: into the family's inbox

Nothing is parsed before it is known to be within the budget of its peer and family. The core's own families are handled at once,
so that no plugin's messages can hold them up. All methods but `take` raise LocalFault for a family that nobody speaks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from appliance.errors import LocalFault, PeerFault
from appliance.protocol.counted import Count
from appliance.protocol.digests import sha256
from appliance.protocol.events import ControlWaiting, PeerConnected, PeerGone, SendMessage
from appliance.protocol.families import BURST_SECONDS, OWN_BURST_SECONDS, Budget, Family, Tally
from appliance.protocol.inbox import Inbox
from appliance.protocol.replies import Known, Replies
from appliance.protocol.requests import Requests
from appliance.protocol.session import Session, SessionState
from appliance.protocol.shared import Shared
from appliance.wire import control
from appliance.wire.control import MAX_CONTROL_BYTES, ControlMessage
from appliance.wire.envelope import CHANNEL_CONTROL, PacketType
from appliance.wire.faults import Fault

Handler = Callable[[Session, ControlMessage, float], None]
"""Of the core's own families: (session, message, now). Raises PeerFault."""


class Received(NamedTuple):
    """A message for its handler."""

    peer: str
    identity: str
    """The peer's fingerprint."""
    kind: str
    """FAMILY or FAMILY.NAME."""
    content: Mapping[str, Any]
    body: bytes
    request: int | None
    """It wants an answer (see `ControlChannel.answer`)."""


class Exporter(NamedTuple):
    """What proofs are bound to that hold in one session only."""

    session: bytes
    """The 16 bytes of its id."""
    secret: bytes
    """32 bytes that both ends know and nobody else."""
    identity: str
    """The peer's fingerprint."""

    def __repr__(self) -> str:
        return f"Exporter({self.identity})"


class Hindrance(StrEnum):
    """Why a message is not sent."""

    NO_SESSION = "no-session"
    """The peer has no active session, or is a stranger who may not hear it."""
    TOO_FAST = "too-fast"
    """It would be above our own budget."""
    TOO_MANY = "too-many"
    """As many requests to the peer are under way as may be."""


class NotSent(Exception):
    """Nothing was sent. The caller may try again later."""

    def __init__(self, reason: Hindrance) -> None:
        super().__init__(reason)
        self.reason = reason


class _Spoken:
    """A family that this node speaks, and what it keeps of it."""

    def __init__(self, family: Family, handler: Handler | None) -> None:
        self.family = family
        self.handler = handler
        self.inbox: Inbox[Received] = Inbox(family.limits.waiting)
        self.theirs: dict[str, Budget] = {}
        self.ours: dict[str, Budget] = {}
        self.counters: Counter[str] = Counter()

    def budget(self, budgets: dict[str, Budget], peer: str, burst: float, now: float) -> Budget:
        found = budgets.get(peer)
        if found is None:
            found = budgets[peer] = Budget(self.family.limits, burst, MAX_CONTROL_BYTES, now)
        return found


class ControlChannel:
    """The control channel of one node."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._spoken: dict[str, _Spoken] = {}
        self._requests = Requests(shared, self._say)
        self._replies = Replies()
        shared.gone = self.gone

    # ---- families ----

    def speak(self, family: Family, handler: Handler | None = None) -> None:
        """Take messages of `family` from now on: into its inbox, or, the core's own, to `handler` at once."""
        self._spoken[family.name] = _Spoken(family, handler)

    def be_silent(self, family: str) -> None:
        """Take no messages of `family` any more; its requests end without a word."""
        if self._spoken.pop(family, None) is not None:
            self._requests.drop(family)

    def counters(self, family: str) -> Mapping[str, int]:
        """What happened in a family since it is spoken, by name."""
        spoken = self._spoken.get(family)
        return {str(name): number for name, number in spoken.counters.items()} if spoken is not None else {}

    def waiting(self, family: str) -> int:
        """Messages of a family that wait for their handler."""
        return len(self._of(family).inbox)

    # ---- what comes ----

    def take(self, session: Session, encoded: bytes, now: float) -> None:
        """A message came. Raises PeerFault when it is not taken."""
        name = control.family_of(encoded)
        if name is None:
            raise PeerFault(Fault.TOO_LONG if len(encoded) > MAX_CONTROL_BYTES else Fault.MALFORMED)
        spoken = self._spoken.get(name)
        if spoken is None:
            raise PeerFault(Fault.CONTROL_UNKNOWN)
        spoken.counters[Tally.RECEIVED] += 1
        try:
            self._sort(spoken, session, encoded, now)
        except PeerFault as fault:
            spoken.counters[fault.message] += 1
            raise

    def _sort(self, spoken: _Spoken, session: Session, encoded: bytes, now: float) -> None:
        if not session.proved and not spoken.family.before_membership:
            raise PeerFault(Fault.CONTROL_UNPROVED)
        if not spoken.budget(spoken.theirs, session.peer, BURST_SECONDS, now).take(len(encoded), now):
            raise PeerFault(Fault.CONTROL_FLOOD)
        message = control.decode(encoded)
        if message.response is not None:
            self._requests.take(session.peer, message)
        elif spoken.handler is not None:
            spoken.handler(session, message, now)
        else:
            self._put(spoken, session, message, encoded, now)

    def _put(self, spoken: _Spoken, session: Session, message: ControlMessage, encoded: bytes, now: float) -> None:
        identity = self._shared.peers[session.peer].settings.identity
        received = Received(session.peer, identity, message.kind, message.content, message.body, message.request)
        if received.request is not None and not self._is_new(spoken, received, encoded, now):
            return
        first = not spoken.inbox
        if not spoken.inbox.put(session.peer, received, len(encoded)):
            if received.request is not None:
                self._replies.forget((identity, spoken.family.name, received.request))
            raise PeerFault(Fault.CONTROL_FULL)
        if first:
            self._shared.events.append(ControlWaiting(spoken.family.name))

    def _is_new(self, spoken: _Spoken, received: Received, encoded: bytes, now: float) -> bool:
        """A request: is it one that has not been here yet? One that has gets its answer again, if there is one."""
        assert received.request is not None
        key = received.identity, spoken.family.name, received.request
        known, answer = self._replies.begin(key, sha256(encoded), now)
        if known is Known.NEW:
            return True
        if known is Known.REUSED:
            raise PeerFault(Fault.CONTROL_REUSED)
        self._shared.counters[Count.CONTROL_REPEATED] += 1
        spoken.counters[Count.CONTROL_REPEATED] += 1
        if answer is not None:
            self._say(received.peer, spoken.family, answer, now)
        return False

    def next(self, family: str, but: Container[str] = ()) -> Received | None:
        """The next message of a family that waits, each peer in its turn, `but` those of these peers."""
        return self._of(family).inbox.take(but)

    # ---- what goes ----

    def send(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes, now: float) -> None:
        """Send a message, which may be lost. Raises NotSent when it was not sent, LocalFault when it is not a message."""
        spoken = self._of(kind.partition(".")[0])
        encoded = control.encode(ControlMessage(kind, content, body))
        if self._session(peer, spoken.family) is None:
            raise NotSent(Hindrance.NO_SESSION)
        if not self._say(peer, spoken.family, encoded, now):
            raise NotSent(Hindrance.TOO_FAST)
        spoken.counters[Tally.SENT] += 1

    def ask(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes, within: float, now: float) -> int:
        """Ask `peer`, and wait at most `within` seconds. Returns the request's number; an Answered or AskFailed follows.

        Raises NotSent when it was not asked, LocalFault when it is not a message.
        """
        spoken = self._of(kind.partition(".")[0])
        if self._session(peer, spoken.family) is None:
            raise NotSent(Hindrance.NO_SESSION)
        if self._requests.under_way(peer, spoken.family.name) >= spoken.family.limits.requests:
            raise NotSent(Hindrance.TOO_MANY)
        number = self._requests.ask(peer, spoken.family, kind, dict(content), body, within, now)
        spoken.counters[Tally.ASKED] += 1
        return number

    def cancel(self, number: int) -> None:
        """Nobody waits for the answer to a request any more."""
        self._requests.cancel(number)

    def answer(self, received: Received, content: Mapping[str, Any], body: bytes, now: float) -> None:
        """Answer a request, once. Raises LocalFault when that is not a message; then refuse it."""
        assert received.request is not None
        self._reply(received, ControlMessage(received.kind, content, body, response=received.request), now)

    def refuse(self, received: Received, now: float) -> None:
        """Say that there will be no answer, and nothing of why."""
        assert received.request is not None
        self._reply(received, ControlMessage(received.kind, {}, response=received.request, refused=True), now)

    def _reply(self, received: Received, message: ControlMessage, now: float) -> None:
        assert received.request is not None
        encoded = control.encode(message)
        spoken = self._spoken.get(message.family)
        if spoken is None:
            return
        self._replies.finish((received.identity, message.family, received.request), encoded)
        spoken.counters[Tally.REFUSED if message.refused else Tally.ANSWERED] += 1
        self._say(received.peer, spoken.family, encoded, now)

    def due(self, number: int, now: float) -> None:
        """The timer of a request."""
        self._requests.due(number, now)

    # ---- peers ----

    def connected(self, session: Session) -> None:
        """The first session with a peer is active."""
        self._shared.events.append(PeerConnected(session.peer, session.proved))

    def renewed(self, session: Session, now: float) -> None:
        """Another session carries what goes to a peer. The one before may have been dead: our requests go out again."""
        self._requests.repeat(session.peer, now)

    def gone(self, peer: str) -> None:
        """The last session with `peer` ended: its messages that wait are dropped, and our requests to it fail."""
        self._requests.gone(peer)
        for name, spoken in self._spoken.items():
            for lost in spoken.inbox.forget(peer):
                if lost.request is not None:
                    self._replies.forget((lost.identity, name, lost.request))
            spoken.theirs.pop(peer, None)
            spoken.ours.pop(peer, None)
        self._shared.events.append(PeerGone(peer))

    def exporter(self, peer: str) -> Exporter | None:
        """That of the session over which the messages of `peer` go. None if there is no session, or none was kept."""
        session = self._carrying(peer)
        if session is None or not session.exporter:
            return None
        return Exporter(session.session_id.bytes, bytes(session.exporter), self._shared.peers[peer].settings.identity)

    def _session(self, peer: str, family: Family) -> Session | None:
        """The session over which a family's messages to `peer` go."""
        session = self._carrying(peer)
        return session if session is not None and (session.proved or family.before_membership) else None

    def _carrying(self, peer: str) -> Session | None:
        found = self._shared.peers.get(peer)
        session = self._shared.sessions.get(found.session) if found is not None and found.session is not None else None
        return session if session is not None and session.state is SessionState.ACTIVE else None

    def _say(self, peer: str, family: Family, encoded: bytes, now: float) -> bool:
        session, spoken = self._session(peer, family), self._spoken.get(family.name)
        if session is None or spoken is None:
            return False
        if not spoken.budget(spoken.ours, peer, OWN_BURST_SECONDS, now).take(len(encoded), now):
            spoken.counters[Tally.HELD_BACK] += 1
            return False
        self._shared.events.append(SendMessage(session.index, PacketType.DATA, CHANNEL_CONTROL, encoded))
        return True

    def _of(self, family: str) -> _Spoken:
        spoken = self._spoken.get(family)
        if spoken is None:
            raise LocalFault(f"nobody speaks {family!r}")
        return spoken
