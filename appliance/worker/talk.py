"""How much one session's records other than IP may cost the control process: what is over ends in the worker.

A record costs the control process 25 µs at least, whatever is in it, so that a peer that floods its own session would take a core
from the handshakes of all others. An honest peer never comes near these rates: the budgets of the control channel are far below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from appliance.protocol.admission import TokenBucket
from appliance.wire.envelope import PacketType

if TYPE_CHECKING:
    from appliance.dataplane.peers import Session

A_SECOND: Final = 1000.0
"""Records of one session: a fortieth of a core. Peer protocols take 50 each unless they say otherwise."""
AT_ONCE: Final = 2000.0
RESERVED: Final = 200.0
"""Of these, those that control messages leave to KeepAlive, Ack and Disconnect."""


class Talk:
    """The budgets of a worker's sessions. `drop(reason)` counts, `clock()` gives seconds."""

    def __init__(self, drop: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._drop = drop
        self._clock = clock

    def passes(self, session: Session, kind: int) -> bool:
        """Is an opened record of this type to go up?"""
        now, budget = self._clock(), session.talk
        if budget is None:
            budget = session.talk = TokenBucket(A_SECOND, AT_ONCE, now)
        if (kind != PacketType.DATA or budget.has(now, RESERVED)) and budget.take(now):
            return True
        self._drop("control_busy")
        return False
