"""Families of control messages (peer protocols), and what one peer may cost us in each: its budget.

Each family has limits of its own, of each peer, so that neither another family nor another peer can use them up. A budget belongs
to a peer rather than to a session: a new session brings no new one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from appliance.api.peer_protocol import Limits
from appliance.protocol.admission import TokenBucket

BURST_SECONDS: Final = 2.0
"""How many seconds' worth of a family's rate may come at once."""
OWN_BURST_SECONDS: Final = 1.0
"""The same for what we send. Less, so that what bunches up on the way is still within the peer's budget."""


class Tally(StrEnum):
    """What is counted of each family, beside what is wrong with its messages (`wire.faults`)."""

    RECEIVED = "received"
    SENT = "sent"
    ASKED = "asked"
    """We asked a peer."""
    ANSWERED = "answered"
    """We answered a peer's request."""
    REFUSED = "refused"
    """We refused a peer's request."""
    HELD_BACK = "held-back"
    """We did not send it, because that would be above our own budget."""


class Family(NamedTuple):
    """A peer protocol as the control channel knows it."""

    name: str
    """The first part of its messages' kinds."""
    limits: Limits = Limits()
    before_membership: bool = False
    """May it be spoken with a peer that has not proved yet that it is a member?"""


class Budget:
    """What one peer may still send in one family. A second's worth of bytes is at least one message of the longest."""

    __slots__ = ("_bytes", "_messages")

    def __init__(self, limits: Limits, burst: float, longest: int, now: float) -> None:
        self._messages = TokenBucket(limits.messages, max(1.0, burst * limits.messages), now)
        self._bytes = TokenBucket(limits.bytes, max(float(longest), burst * limits.bytes), now)

    def take(self, size: int, now: float) -> bool:
        """Use what a message of `size` bytes costs, if it is there."""
        return self._bytes.has(now, size) and self._messages.take(now) and self._bytes.take(now, size)
