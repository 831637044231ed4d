"""How long a datagram may be on one path: RFC 8899, section 5, as a pure machine. Sizes are bytes of UDP payload.

    BASE ──answered──▶ SEARCHING ──nothing larger passes──▶ SEARCH_COMPLETE ──raise timer──▶ SEARCHING
      │  ▲                  ▲                                     │
      │  └── black hole ────┼─────────────────────────────────────┘
      └─▶ ERROR ──answered──┘         (base does not pass either: the least is used)

Drive it with the `handle_…` methods; after each take `poll_probe` until None, look at `size`, and call `handle_timeout` when
`poll_timeout` says. A size that was never proven is not used for records, so a search that fails costs its probes alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from math import inf
from typing import NamedTuple

LEAST_BYTES = 548
"""MIN_PLPMTU: what every IPv4 host takes, 576 less IP and UDP headers (RFC 791)."""
BASE_BYTES = 1200
"""BASE_PLPMTU: passes nearly everywhere (RFC 8899, section 5.1.2)."""
MAX_PROBES = 3
"""Probes of one size without an answer after which it counts as too long."""
GRAIN_BYTES = 16
"""The search ends when the longest that passes and the shortest that does not are this close: going on would gain less than
2 %."""
PATIENCE_UNKNOWN = 1.0
"""Seconds until a probe counts as lost while no round trip was measured."""
PATIENCE_SEARCH = 0.3
"""The least such time in a search. A search that was wrong is put right when larger sizes are tried again."""
PATIENCE_CONFIRM = 0.5
"""The least such time for the size in use: a full queue must not look like a black hole."""
PATIENCE_MOST = 3.0
"""The most such time."""
PATIENCE_ROUND_TRIPS = 3
"""Between least and most: so many round trips."""
CONFIRM_SECONDS = 30.0
"""Seconds between two confirmations of the size in use (CONFIRMATION_TIMER)."""
RAISE_SECONDS = 600.0
"""Seconds after which larger sizes are tried again (PMTU_RAISE_TIMER)."""
MAX_OUTSTANDING = 16
"""Probes without an answer that are remembered."""


class PathState(StrEnum):
    """Where the search stands."""

    BASE = "base"
    """A size that should pass is being confirmed."""
    SEARCHING = "searching"
    """Larger sizes are tried."""
    SEARCH_COMPLETE = "search-complete"
    """The largest that passes is known."""
    ERROR = "error"
    """Not even a size that should pass does."""


class Probe(NamedTuple):
    """Send a KeepAlive."""

    token: int
    """What the peer sends back in its Ack."""
    datagram: int
    """Pad it to one datagram of so many bytes. 0: do not pad it."""


class PathMtu:
    """One path. Sizes are bytes of UDP payload."""

    def __init__(
        self, base: int, limit: int, token: Callable[[], int], now: float, *, proven: bool = True, rtt: float | None = None
    ) -> None:
        """`base` is what the handshake used; not `proven` when that went another way. `token` gives tokens nobody else uses."""
        self.limit = self._route_limit = max(limit, LEAST_BYTES)
        """The longest that the route allows, as far as is known; at most what it was when the path began."""
        self.size = max(LEAST_BYTES, min(base, self.limit))
        """The longest datagram to send."""
        self.state = PathState.BASE
        self._token = token
        self._rtt = rtt
        self._ceiling = self.limit + 1
        self._aim = self._tries = 0
        self._aimed_at = self._heard_at = now
        self._raise_at = inf
        self._wake: float | None = None
        self._sent: dict[int, tuple[int, float]] = {}
        self._probes: deque[Probe] = deque()
        if proven:
            self._search(now)
        else:
            self._aim_at(self.size, now)

    def handle_ack(self, token: int, now: float) -> bool:
        """The peer answered a KeepAlive. False if that was none of ours."""
        found = self._sent.pop(token, None)
        if found is None:
            return False
        datagram, sent_at = found
        self._rtt = now - sent_at
        self._heard_at = now
        if datagram > self.size:
            self.size = min(datagram, self.limit)
            self._ceiling = max(self._ceiling, self.size + 1)
            self._search(now)
        elif datagram == self._aim == self.size:
            self._confirmed(now)
        return True

    def handle_heard(self, now: float) -> None:
        """Something authentic came from the peer, of whatever size."""
        self._heard_at = now

    def handle_suspicion(self, now: float) -> None:
        """Records go out and none come in: is it their size?"""
        if not self._aim:
            self._aim_at(self.size, now)

    def handle_limit(self, limit: int, now: float) -> None:
        """The kernel knows that the path takes no more than `limit` (an ICMP message that it believed)."""
        self.limit = max(LEAST_BYTES, min(limit, self._route_limit))
        self._ceiling = min(self._ceiling, self.limit + 1)
        self._raise_at = now + RAISE_SECONDS
        if self.size > self.limit:
            self.size = self.limit
            self.state = PathState.BASE
            self._aim_at(self.size, now)
        elif self._aim > self.limit:
            self._search(now)

    def handle_black_hole(self, passes: int, now: float) -> None:
        """Somebody else found that only `passes` bytes get through: a handshake that had to go out in smaller datagrams."""
        if passes < self.size:
            self.size = max(LEAST_BYTES, passes)
            self._search(now)

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        if self._wake is None or now < self._wake:
            return
        self._wake = None
        if self._aim and self._tries < MAX_PROBES:
            self._try(now)
        elif self._aim:
            self._unanswered(now)
        elif now >= self._raise_at:
            self.limit = self._route_limit
            self._ceiling = self.limit + 1
            self._raise_at = inf
            self._search(now)
        else:
            self._aim_at(self.size, now)

    def poll_timeout(self) -> float | None:
        """When `handle_timeout` wants to be called."""
        return self._wake

    def poll_probe(self) -> Probe | None:
        """The next probe to send."""
        return self._probes.popleft() if self._probes else None

    def _search(self, now: float) -> None:
        """Try the next larger size: first the limit, which most paths take, then halfway to what did not pass."""
        untried = self._ceiling > self.limit
        if self.size >= self.limit or (not untried and self._ceiling - self.size <= GRAIN_BYTES):
            self.state = PathState.SEARCH_COMPLETE
            if self.size < self._route_limit and self._raise_at == inf:
                self._raise_at = now + RAISE_SECONDS
            self._rest(now, CONFIRM_SECONDS)
            return
        self.state = PathState.SEARCHING
        self._aim_at(self.limit if untried else (self.size + self._ceiling) // 2, now)

    def _confirmed(self, now: float) -> None:
        if self.state is PathState.SEARCH_COMPLETE:
            self._rest(now, CONFIRM_SECONDS)
        else:
            self._search(now)

    def _unanswered(self, now: float) -> None:
        """The size we tried does not pass. For the size in use we believe that only if something smaller does."""
        if self._aim > self.size:
            self._ceiling = self._aim
            self._search(now)
        elif self._heard_at <= self._aimed_at:
            self._rest(now, PATIENCE_MOST)
        else:
            self._fall_back(now)

    def _fall_back(self, now: float) -> None:
        self._ceiling = self.size
        self._raise_at = now + RAISE_SECONDS
        if self.size > BASE_BYTES:
            self.size, self.state = BASE_BYTES, PathState.BASE
            self._aim_at(self.size, now)
        elif self.size > LEAST_BYTES:
            self.size, self.state = LEAST_BYTES, PathState.ERROR
            self._aim_at(self.size, now)
        else:
            self.state = PathState.ERROR
            self._rest(now, CONFIRM_SECONDS)

    def _rest(self, now: float, seconds: float) -> None:
        self._aim = 0
        self._wake = now + seconds

    def _aim_at(self, datagram: int, now: float) -> None:
        self._aim, self._tries, self._aimed_at = datagram, 0, now
        self._try(now)

    def _try(self, now: float) -> None:
        self._tries += 1
        self._send(self._aim, now)
        confirming = self._aim <= self.size
        if self._rtt is None or (confirming and self._tries > 1):
            self._send(0, now)
        if self._rtt is None:
            patience = PATIENCE_UNKNOWN
        else:
            least = PATIENCE_CONFIRM if confirming else PATIENCE_SEARCH
            patience = min(max(least, PATIENCE_ROUND_TRIPS * self._rtt), PATIENCE_MOST)
        self._wake = now + patience

    def _send(self, datagram: int, now: float) -> None:
        token = self._token()
        self._sent[token] = (datagram, now)
        self._probes.append(Probe(token, datagram))
        while len(self._sent) > MAX_OUTSTANDING:
            del self._sent[next(iter(self._sent))]
