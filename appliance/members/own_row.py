"""What a member says of itself to all others: its row, written when that changes, and not too often. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from appliance.members.roster import Roster
from appliance.members.row import Digest, Reachable, Row, Service, sign_row

ROW_SECONDS: Final = 2.0
"""Least between two rows of this node's."""
NEVER: Final = float("inf")


class Facts(NamedTuple):
    """What a node's row says of it."""

    load: int = 0
    endpoints: tuple[Reachable, ...] = ()
    relays: tuple[Digest, ...] = ()
    services: tuple[Service, ...] = ()
    leaving: bool = False


class OwnRow:
    """The row of `own`. `sign`: Ed25519 with its key."""

    def __init__(self, own: Digest, roster: Roster, sign: Callable[[bytes], bytes]) -> None:
        self.facts = Facts()
        """What the next row says."""
        self.due = NEVER
        """When to write one."""
        self._own = own
        self._roster = roster
        self._sign = sign
        self._encoded = b""
        self._written: tuple[Facts, float] | None = None
        """What our row says, and when it was written."""

    def recall(self, now: float) -> None:
        """Go on from the row that the roster remembers, if it does."""
        row = self._roster.rows.get(self._own)
        if row is not None:
            self._encoded = self._roster.row_of(self._own) or b""
            self.facts = Facts(row.load, row.endpoints, row.relays, row.services, row.leaving)
            self._written = self.facts, now - ROW_SECONDS

    def publish(self, facts: Facts, now: float) -> None:
        """Say this from now on."""
        self.facts = facts
        if self._written is None or self._written[0] != facts:
            self.write_soon(now)

    @property
    def is_of_an_earlier_life(self) -> bool:
        """Has the roster a row of ours that we did not write?"""
        known = self._roster.row_of(self._own)
        return known is not None and known != self._encoded

    def was_written_before(self, when: float) -> bool:
        """Is our row older than that?"""
        return self._written is not None and self._written[1] < when

    def write_soon(self, now: float) -> None:
        """Write one as soon as it may be, even if it says the same."""
        self.due = min(self.due, now if self._written is None else max(now, self._written[1] + ROW_SECONDS))

    def write(self, now: float, wall: float, *, may: bool) -> bytes | None:
        """A new row, encoded. None: it `may` not, since its certificate is not here yet, or no more."""
        self.due = NEVER
        if not may:
            return None
        before = self._roster.rows.get(self._own)
        sequence = 1 if before is None else before.sequence + 1
        self._encoded = sign_row(Row(self._roster.network, self._own, sequence, int(wall), *self.facts), self._sign)
        self._written = self.facts, now
        return self._encoded
