"""Our requests to peers: sent again until they are answered, refused, too late, cancelled, or their peer's last session ends.

Records may be lost, and the session may be replaced meanwhile; a request belongs to its peer, and each repetition goes over the
session that carries the peer's traffic then.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from appliance.errors import PeerFault
from appliance.protocol.events import Answered, AskFailed
from appliance.protocol.families import Family
from appliance.protocol.shared import Shared
from appliance.protocol.timers import Deadline
from appliance.wire import control
from appliance.wire.control import ControlMessage
from appliance.wire.faults import Fault

RETRY_FIRST: Final = 1.0
RETRY_LATER: Final = 8.0
"""Seconds until a request is sent again the first time; doubled each time up to the latter, and spread by JITTER."""
JITTER: Final = 0.25
LONGEST: Final = 60.0
"""Most seconds a request may wait for its answer. The peer remembers its answer for as long."""
ENDED_REMEMBERED: Final = 256
"""Requests that ended without an answer, so that one that comes too late is told from one that nobody asked for."""

Say = Callable[[str, Family, bytes, float], bool]
"""(peer, family, message, now): send it. False: there is no session for it, or we send too much."""


class Failure(StrEnum):
    """Why a request has no answer."""

    TIMED_OUT = "timed-out"
    PEER_GONE = "peer-gone"
    REFUSED = "refused"


@dataclass(slots=True)
class _Request:
    number: int
    peer: str
    family: Family
    kind: str
    encoded: bytes
    ends: float
    pause: float


class Requests:
    """All requests of a node that are under way. `say` sends."""

    def __init__(self, shared: Shared, say: Say) -> None:
        self._shared = shared
        self._say = say
        self._waiting: dict[int, _Request] = {}
        self._of_peer: dict[str, dict[int, _Request]] = {}
        self._ended: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def under_way(self, peer: str, family: str) -> int:
        """Requests to `peer` in a family that wait for their answers."""
        return sum(1 for request in self._of_peer.get(peer, {}).values() if request.family.name == family)

    def ask(self, peer: str, family: Family, kind: str, content: dict[str, Any], body: bytes, within: float, now: float) -> int:
        """Ask `peer`. Returns the request's number; Answered or AskFailed follows. Raises LocalFault for what is no message."""
        number = self._new_number()
        encoded = control.encode(ControlMessage(kind, content, body, request=number))
        request = _Request(number, peer, family, kind, encoded, now + min(within, LONGEST), RETRY_FIRST)
        self._waiting[number] = self._of_peer.setdefault(peer, {})[number] = request
        self._send(request, now)
        return number

    def take(self, peer: str, message: ControlMessage) -> None:
        """An answer came. Raises PeerFault when nobody waits for it."""
        assert message.response is not None
        request = self._waiting.get(message.response)
        if request is None:
            raise PeerFault(Fault.CONTROL_LATE if message.response in self._ended else Fault.CONTROL_UNASKED)
        if (request.peer, request.kind) != (peer, message.kind):
            raise PeerFault(Fault.CONTROL_UNASKED)
        self._end(request)
        if message.refused:
            self._shared.events.append(AskFailed(request.number, request.family.name, Failure.REFUSED))
        else:
            self._shared.events.append(Answered(request.number, request.family.name, dict(message.content), message.body))

    def due(self, number: int, now: float) -> None:
        """The timer of a request: send it again, or give it up."""
        request = self._waiting.get(number)
        if request is None:
            return
        if now >= request.ends:
            self._fail(request, Failure.TIMED_OUT)
        else:
            self._send(request, now)

    def repeat(self, peer: str, now: float) -> None:
        """Send those to `peer` again now."""
        for request in self._of_peer.get(peer, {}).values():
            self._send(request, now)

    def cancel(self, number: int) -> None:
        """Nobody wants the answer any more."""
        request = self._waiting.get(number)
        if request is not None:
            self._end(request)
            self._remember(number)

    def gone(self, peer: str) -> None:
        """The last session with `peer` ended."""
        for request in list(self._of_peer.get(peer, {}).values()):
            self._fail(request, Failure.PEER_GONE)

    def drop(self, family: str) -> None:
        """Nobody speaks `family` any more."""
        for request in [request for request in self._waiting.values() if request.family.name == family]:
            self.cancel(request.number)

    def _send(self, request: _Request, now: float) -> None:
        self._say(request.peer, request.family, request.encoded, now)
        spread = 1 - JITTER + 2 * JITTER * self._shared.chance()
        self._shared.timers.set((Deadline.ASK, request.number), min(request.ends, now + request.pause * spread))
        request.pause = min(2 * request.pause, RETRY_LATER)

    def _fail(self, request: _Request, reason: Failure) -> None:
        self._end(request)
        self._remember(request.number)
        self._shared.events.append(AskFailed(request.number, request.family.name, reason))

    def _end(self, request: _Request) -> None:
        del self._waiting[request.number]
        of_peer = self._of_peer[request.peer]
        del of_peer[request.number]
        if not of_peer:
            del self._of_peer[request.peer]
        self._shared.timers.cancel((Deadline.ASK, request.number))

    def _remember(self, number: int) -> None:
        self._ended[number] = None
        if len(self._ended) > ENDED_REMEMBERED:
            self._ended.popitem(last=False)

    def _new_number(self) -> int:
        """Drawn at random: after a restart no number must be one that the peer remembers an answer for."""
        while True:
            number = int.from_bytes(self._shared.entropy(7), "big") & control.MAX_NUMBER
            if number and number not in self._waiting:
                return number
