"""What a stack counts, by a word that status shows; and what keeps two of its deeds rare."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum


class Count(StrEnum):
    """What happened to a packet or a connection."""

    # packets that were dropped
    MALFORMED = "malformed"
    """Its headers do not fit each other or its length."""
    CHECKSUM = "checksum"
    FRAGMENT = "fragment"
    """A fragment of an IP packet: nothing here puts them together."""
    NOT_OURS = "not-ours"
    """It is for another address."""
    PROTOCOL = "protocol"
    """Neither TCP nor UDP nor an ICMP message that means something here."""
    PAWS = "paws"
    """Its timestamp is older than what came before (RFC 7323, 5)."""
    OUT_OF_WINDOW = "out-of-window"
    BAD_ACK = "bad-ack"
    """It acknowledges what was never sent (RFC 5961, 5)."""
    BLIND_RESET = "blind-reset"
    """A reset or SYN that only somebody would send who guesses sequence numbers (RFC 5961, 3 and 4)."""
    NO_PORT = "no-port"
    """Nobody has that port open."""
    QUEUE_FULL = "queue-full"
    """Answers, or datagrams for an application, that had no room."""
    NO_MEMORY = "no-memory"
    """The connections together hold as much as they may."""
    TOO_MANY_PIECES = "too-many-pieces"
    """A connection has as many gaps in what it received as it may."""
    # connections
    BACKLOG = "backlog"
    """A handshake that was half done gave way to newer ones."""
    TOO_MANY = "too-many"
    """There are as many connections as there may be."""
    RETRANSMITTED = "retransmitted"
    """A segment was sent again."""
    TIMED_OUT = "timed-out"
    """A retransmission timeout."""
    PROBED = "probed"
    """A zero-window or keep-alive probe."""
    CHALLENGED = "challenged"
    """An ACK that asks the peer to confirm (RFC 5961)."""
    SMALLER = "smaller"
    """A router said that segments are too big for the path."""


Counts = Counter[Count]


class Allowance:
    """At most `rate` a second, and as many at once: a token bucket."""

    __slots__ = ("_left", "_rate", "_since")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = self._left = rate
        self._since = now

    def take(self, now: float) -> bool:
        """May it be done once more?"""
        self._left = min(self._rate, self._left + (now - self._since) * self._rate)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Memory:
    """What the connections of one stack hold together, in bytes."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    @property
    def tight(self) -> bool:
        """Is more than half of it used? Then nobody gets more than a little."""
        return self.used * 2 > self.limit
