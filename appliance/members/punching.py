"""The search for a direct path to one peer: both sides send to each other's addresses at the same time, and keep what answers.

    RESTING ──due──▶ AGREEING ──answer──▶ WAITING ──moment──▶ PUNCHING ──proved, or time is up──▶ RESTING
                     (leader only)

Of two nodes the one with the smaller fingerprint leads: it asks for each round and chooses the path, and the other follows. NATs
let in what comes from where their host has sent to, so each side sends before the other's packets arrive: the moment is told with
half of a round trip to go. A path counts when a token came back by it: then it works in both directions.

Drive it with the `handle_…` methods; after each take `poll_event` and `poll_probe` until None, and call `handle_timeout` when
`poll_timeout` says. Times are monotonic seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from appliance.api.values import Endpoint
from appliance.members.candidates import MAX_TRIED, SCHEME
from appliance.members.far_ports import WINDOW

PROBE_GAP: Final = 0.1
"""Seconds between two probes of an address."""
PUNCH_SECONDS: Final = 3.0
"""How long a round lasts while the search is young."""
LATE_PROBES: Final = 5
"""Probes of each address in a later round: with eight addresses a minute this is less than one packet in a second."""
SETTLE_SECONDS: Final = 0.3
"""After the first path has answered, others get so long to answer too."""
AGREE_SECONDS: Final = 8.0
"""How long an answer to the question for a round may take."""
FIRST_PAUSE: Final = 0.5
"""Seconds from a session to the first round: by then the peers have said where they see this node."""
YOUNG_SECONDS: Final = 60.0
YOUNG_PAUSE: Final = 5.0
"""From one round's beginning to the next one's while the search is young: for YOUNG_SECONDS, and after each change."""
LATE_PAUSE: Final = 60.0
BETTER_PAUSE: Final = 300.0
"""The same while there is a direct path, and only a better one is looked for."""
LEAST_GAP: Final = 1.0
"""Between the beginnings of two rounds that a peer asks for: it cannot make this node send without end."""
BETTER_BY: Final = 0.005
"""Seconds by which a path must be faster than the direct path there is."""
IPV6_BONUS: Final = 0.005
"""Seconds that an IPv6 path may be slower: no NAT forgets it."""


class Stage(StrEnum):
    """Where the search stands."""

    RESTING = "resting"
    AGREEING = "agreeing"
    WAITING = "waiting"
    PUNCHING = "punching"


class Agree(NamedTuple):
    """Ask the peer for a round, then call `handle_agreed` or `handle_refused`."""


class Take(NamedTuple):
    """Move the session to this path, which was proved."""

    endpoint: Endpoint


Event = Agree | Take


class Punching:
    """The search for one peer. `leads`: this side has the smaller fingerprint."""

    def __init__(self, leads: bool, late_pause: float = LATE_PAUSE) -> None:
        """`late_pause`: seconds from round to round when the search is no longer young."""
        self.leads = leads
        self._late_pause = late_pause
        self.stage = Stage.RESTING
        self.rounds = 0
        """Rounds since there was no direct path."""
        self.current: Endpoint | None = None
        """Where the session goes now."""
        self._events: deque[Event] = deque()
        self._probes: deque[Endpoint] = deque()
        self._targets: list[Endpoint] = []
        self._named = 0
        """How many of the targets the peer named; the others are where its probes came from."""
        self._proved: dict[Endpoint, float] = {}
        self._young_until = 0.0
        self._began = float("-inf")
        self._next_round: float | None = None
        self._wake: float | None = None
        """When the stage has something to do."""
        self._ends = self._longer = 0.0
        self._alone = False
        """This round was agreed with nobody."""
        self._decide_at: float | None = None

    @property
    def direct(self) -> bool:
        """Does the session go by a path of the kind that is looked for?"""
        return self.current is not None and self.current.scheme == SCHEME

    # ---- what happens ----

    def handle_path(self, endpoint: Endpoint | None, now: float) -> None:
        """The session goes there now; None: there is none."""
        was_direct, had = self.direct, self.current
        self.current = endpoint
        if endpoint is None:
            self._rest(None)
            return
        if self.direct:
            self.rounds = 0
            self._rest(now + BETTER_PAUSE)
        elif had is None or was_direct:
            self._young_until = now + YOUNG_SECONDS
            self._plan(now if was_direct else now + FIRST_PAUSE)

    def handle_changed(self, now: float) -> None:
        """Addresses of either side changed: what failed before may work now, and what worked may be gone."""
        if self.current is None:
            return
        self._young_until = now + YOUNG_SECONDS
        if self.stage is Stage.RESTING:
            self._plan(max(now, self._began + LEAST_GAP))

    def may_begin(self, now: float) -> bool:
        """May the leader begin a round with this side now?"""
        return self.current is not None and not self.leads and now - self._began >= LEAST_GAP

    def handle_agreed(self, targets: Sequence[Endpoint], wait: float, now: float, longer: float = 0.0) -> bool:
        """Both sides begin a round in `wait` seconds, with the peer at one of `targets`; it lasts at least `longer`. False: there
        was one just now."""
        if self.current is None or not (self.leads or self.may_begin(now)):
            return False
        self._began = self._began if self.leads else now
        self.rounds += not self.direct
        self._begin_round(targets, wait, now)
        self._longer = longer
        return True

    def handle_uprooted(self, targets: Sequence[Endpoint], now: float) -> None:
        """This node's addresses changed under a session: try all that is known of the peer at once, and take what answers. Nobody
        is asked, since the way to ask may be gone."""
        if self.current is None:
            return
        self._young_until = now + YOUNG_SECONDS
        self._begin_round(targets, 0.0, now)
        self._alone = True

    def handle_refused(self, now: float) -> None:
        """The peer did not answer, or would not."""
        if self.stage is Stage.AGREEING:
            self._rest(now + self._pause(now))

    def handle_asked(self, source: Endpoint) -> None:
        """A probe of the peer's came from there: its NAT maps it so. Answer in kind, while a round lasts."""
        if self.stage not in {Stage.WAITING, Stage.PUNCHING} or source in self._targets or source == self.current:
            return
        if len(self._targets) < self._named + MAX_TRIED:
            self._targets.append(source)
            self._probes.append(source)

    def handle_proved(self, endpoint: Endpoint, rtt: float, now: float) -> None:
        """A token came back from there."""
        if self.stage is not Stage.PUNCHING:
            return
        self._proved[endpoint] = rtt
        if self._decide_at is None:
            self._decide_at = now + SETTLE_SECONDS

    def handle_timeout(self, now: float, rtt: float | None) -> None:
        """Do what is due. `rtt` is that of the session's path now, None if it was not measured."""
        if self.stage is Stage.RESTING and self._next_round is not None and now >= self._next_round:
            self._begin(now)
        elif self.stage is Stage.AGREEING and self._wake is not None and now >= self._wake:
            self.handle_refused(now)
        elif self.stage is Stage.WAITING and self._wake is not None and now >= self._wake:
            self.stage, self._wake = Stage.PUNCHING, now
            usual = PUNCH_SECONDS if self._is_young(now) else LATE_PROBES * PROBE_GAP + SETTLE_SECONDS
            self._ends = now + max(usual, self._longer)
        if self.stage is Stage.PUNCHING:
            self._punch(now, rtt)

    # ---- what follows ----

    def poll_event(self) -> Event | None:
        """The next thing to do."""
        return self._events.popleft() if self._events else None

    def poll_probe(self) -> Endpoint | None:
        """The next address to send a probe to."""
        return self._probes.popleft() if self._probes else None

    def poll_timeout(self) -> float | None:
        """When `handle_timeout` wants to be called; None: never."""
        if self.stage is Stage.RESTING:
            return self._next_round
        return self._wake

    # ---- inside ----

    def _begin(self, now: float) -> None:
        self._began = now
        self._next_round = None
        self.stage, self._wake = Stage.AGREEING, now + AGREE_SECONDS
        self._events.append(Agree())

    def _begin_round(self, targets: Sequence[Endpoint], wait: float, now: float) -> None:
        self._alone = False
        self._longer = 0.0
        self._targets = [target for target in targets if target != self.current][: MAX_TRIED + WINDOW]
        self._named = len(self._targets)
        self._proved.clear()
        self._decide_at = None
        self.stage, self._wake = Stage.WAITING, now + wait

    def _punch(self, now: float, rtt: float | None) -> None:
        if self._decide_at is not None and now >= self._decide_at:
            self._choose(rtt)
            self._rest(now + self._pause(now))
            return
        if now >= self._ends:
            self._rest(self._began + self._pause(now))
            return
        if self._wake is not None and now >= self._wake:
            late_over = not self._is_young(now) and not self._longer and now > self._ends - SETTLE_SECONDS
            self._probes.extend([] if late_over else self._targets)
            self._wake = now + PROBE_GAP

    def _choose(self, rtt: float | None) -> None:
        """Take the best path that answered, if it is better than the one there is. The follower leaves that to the leader."""
        if not (self.leads or self._alone) or not self._proved:
            return
        best = min(self._proved, key=lambda endpoint: _cost(endpoint, self._proved[endpoint]))
        if self.direct and self.current is not None and not self._alone:
            now_costs = _cost(self.current, rtt) if rtt is not None else float("inf")
            if _cost(best, self._proved[best]) + BETTER_BY > now_costs:
                return
        self._events.append(Take(best))

    def _rest(self, next_round: float | None) -> None:
        self.stage, self._wake, self._decide_at = Stage.RESTING, None, None
        self._targets = []
        self._probes.clear()
        self._plan(next_round)

    def _plan(self, when: float | None) -> None:
        self._next_round = when if self.leads else None

    def _pause(self, now: float) -> float:
        if self.direct:
            return BETTER_PAUSE
        return YOUNG_PAUSE if self._is_young(now) else self._late_pause

    def _is_young(self, now: float) -> bool:
        return now < self._young_until


def _cost(endpoint: Endpoint, rtt: float) -> float:
    return rtt - IPV6_BONUS if ":" in endpoint.host else rtt
