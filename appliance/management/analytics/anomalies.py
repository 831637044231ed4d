"""What is out of the ordinary, since when and why, by what is usual and by limits. Its memory is bounded, and so is what it says.

    readings ── beyond what is usual? ──┐
    document ── beyond a limit? ────────┤── three times in a row ──▶ raised ── six times not ──▶ over ── ten minutes of rest
    clock    ── was it set? ────────────┘

While something is raised the usual does not learn from it, for an hour: then this is what is usual now.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from appliance.management.analytics import rules
from appliance.management.analytics.measures import Reading
from appliance.management.analytics.rules import Excess, duration, figure, size
from appliance.management.analytics.series import Key
from appliance.management.analytics.usual import Usual

CONFIRM: Final = 3
"""Readings in a row beyond it until something is raised."""
CALM: Final = 6
"""Readings in a row within it until that is over."""
REST: Final = 600
"""Seconds after its end in which the same is not raised again."""
ADOPT: Final = 3600
"""Seconds after which what lasts is usual."""
FORGET: Final = 86400
"""Seconds without a reading after which nothing is known of a figure any more."""
MOST_WATCHED: Final = 500
"""Figures that are followed at a time."""
MOST_RAISED: Final = 50
"""That are raised at a time."""
MOST_OVER: Final = 100
"""That are told of when they are over."""
FLAPS: Final = 6
FLAP_SECONDS: Final = 600
"""So many sessions with a peer in so many seconds are too many; a renewal comes once in hours."""
DISK_LOOKS: Final = 60
DISK_EVERY: Final = 60
DISK_LEAST: Final = 30
"""An hour of free room, by the minute; half of it says where it goes."""
DISK_AHEAD: Final = 86400
"""A disk that is full within so many seconds, as it goes, is filling."""


class Rising(NamedTuple):
    """A figure is out of the ordinary above all three: `sigmas` times the spread above its mean, `factor` times the mean, and
    `least` more than the mean."""

    rule: str
    sigmas: float
    factor: float
    least: float
    unit: str


RISING: Final[Mapping[str, Rising]] = {
    "drops": Rising("drops-rising", 4.0, rules.DROPS_FACTOR, rules.DROPS_LEAST, "/s"),
    "round-trip": Rising("round-trip-doubled", 4.0, 2.0, 0.02, " s"),
}
"""By metric. Of metrics with labels only what has one is judged: the sum would say the same again."""
API_FAILURES: Final = Rising("api-failing", 4.0, 3.0, 0.2, "/s")
CLEAR: Final = 0.5
"""Of the way from the usual to the limit: below it a figure is back."""


class Anomaly(NamedTuple):
    """Something out of the ordinary."""

    rule: str
    """A key of `rules.REMEDIES`."""
    label: str
    since: int
    """Unix seconds of the first reading beyond it."""
    until: int | None
    """When it was over; None while it lasts."""
    value: float
    """The newest reading beyond it, in the unit that `reason` says."""
    reason: str
    todo: str


class Change(NamedTuple):
    """Something began to be out of the ordinary, or is over."""

    began: bool
    anomaly: Anomaly


class Beyond(NamedTuple):
    """The judgement of one reading."""

    excess: Excess
    over: bool
    """Beyond the limit; otherwise it is between the limit and what ends it."""


@dataclass(slots=True)
class State:
    """One rule about one thing. Times are Unix seconds, `over` and `calm` readings in a row."""

    heard: int
    over: int = 0
    calm: int = 0
    first: int = 0
    raised: bool = False
    rests_until: int = 0
    excess: Excess | None = None


@dataclass(slots=True)
class Watch:
    """Told of every reading. `held_back` counts what was not raised because it had just been over or too much was raised;
    `unwatched` readings for which there was no place."""

    held_back: int = 0
    unwatched: int = 0
    usual: dict[Key, tuple[Usual, int]] = field(default_factory=dict)
    """What is usual of each figure, and when it was read last."""
    states: dict[tuple[str, str], State] = field(default_factory=dict)
    """By rule and label."""
    _changes: list[Change] = field(default_factory=list)
    _over: deque[Anomaly] = field(default_factory=lambda: deque(maxlen=MOST_OVER))
    _opened: dict[str, deque[int]] = field(default_factory=dict)
    _free: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=DISK_LOOKS))

    def take(self, at: int, readings: Iterable[Reading], document: Mapping[str, Any], jump: float = 0.0) -> list[Change]:
        """Judge what was read at `at`, in Unix seconds. `jump`: seconds by which the clock was set since the last time. Returns
        what began and what is over, in order."""
        self._changes = []
        if jump:
            self._clock(at, jump)
        found = list(readings)
        beyond = {(one.excess.rule, one.excess.label): one for one in self._beyond(at, found, document)}
        for name in beyond.keys() | self.states.keys():
            self._follow(at, name, beyond.get(name))
        self._learn(at, found)
        self._forget(at)
        return self._changes

    def now(self) -> list[Anomaly]:
        """What lasts, the oldest first."""
        raised = [(name, state) for name, state in self.states.items() if state.raised]
        return sorted((_anomaly(state, None) for _, state in raised), key=lambda one: (one.since, one.rule, one.label))

    def over(self) -> list[Anomaly]:
        """What is over, the newest first."""
        return list(reversed(self._over))

    # ---- beyond what? ----

    def _beyond(self, at: int, readings: Iterable[Reading], document: Mapping[str, Any]) -> Iterator[Beyond]:
        yield from (Beyond(excess, over=True) for excess in rules.limits(document, at))
        for key, kind, cell in readings:
            value = cell.mean(kind) or 0.0
            rising = _rising(key)
            usual = self.usual.get(key)
            if rising is not None and usual is not None and usual[0].warm:
                yield from _judged(rising, key, value, usual[0])
            if key.metric == "sessions.opened" and key.label:
                yield from self._flapping(at, key.label, round(cell.total))
            elif key.metric == "disk.free":
                yield from self._filling(at, value)

    def _flapping(self, at: int, peer: str, opened: int) -> Iterator[Beyond]:
        times = self._opened.get(peer)
        if times is None:
            if not opened:
                return
            if len(self._opened) >= MOST_WATCHED:
                self.unwatched += 1
                return
            times = self._opened[peer] = deque(maxlen=FLAPS)
        times.extend([at] * min(opened, FLAPS))
        while times and abs(at - times[0]) >= FLAP_SECONDS:
            times.popleft()
        if not times:
            del self._opened[peer]
        elif len(times) == FLAPS:
            text = f"sessions with {peer}: {FLAPS} began within {duration(max(at - times[0], 1))}; one in hours is usual"
            yield Beyond(Excess("session-flapping", peer, FLAPS, text), over=True)

    def _filling(self, at: int, free: float) -> Iterator[Beyond]:
        if self._free and at < self._free[-1][0]:
            self._free.clear()
        if not self._free or at - self._free[-1][0] >= DISK_EVERY:
            self._free.append((at, free))
        (began, before), looks = self._free[0], len(self._free)
        fall = (before - free) / max(at - began, 1)
        if looks >= DISK_LEAST and fall > 0 and free / fall < DISK_AHEAD:
            text = (
                f"{size(free)} are free for the state folder, {size(fall * 3600)} less each hour: full in {duration(free / fall)}"
            )
            yield Beyond(Excess("disk-filling", "", free, text), over=True)

    def _clock(self, at: int, jump: float) -> None:
        """It is over as soon as it is said, and repeated jumps are held back as all else."""
        word = "ahead" if jump > 0 else "back"
        excess = Excess("clock-jump", "", jump, f"this host's clock was set {word} by {duration(abs(jump))}")
        state = self.states.setdefault(("clock-jump", ""), State(at))
        if _rests(state, at):
            self.held_back += 1
            return
        state.heard, state.first, state.excess, state.rests_until = at, at, excess, at + REST
        self._changes.append(Change(began=True, anomaly=_anomaly(state, None)))
        self._is_over(_anomaly(state, at))

    # ---- raised and over ----

    def _follow(self, at: int, name: tuple[str, str], beyond: Beyond | None) -> None:
        state = self.states.get(name)
        if state is None:
            if beyond is None or not beyond.over:
                return
            state = self.states[name] = State(at)
        state.heard = at
        if beyond is None:
            state.over = 0
            state.calm += 1
            if state.raised and state.calm >= CALM:
                self._end(at, state)
            return
        state.calm = 0
        if state.raised:
            state.excess = beyond.excess
        elif beyond.over:
            state.first = state.first if state.over else at
            state.over += 1
            state.excess = beyond.excess
            if state.over >= CONFIRM:
                self._raise(at, state)
        else:
            state.over = 0

    def _raise(self, at: int, state: State) -> None:
        if _rests(state, at) or sum(each.raised for each in self.states.values()) >= MOST_RAISED:
            self.held_back += state.over == CONFIRM
            return
        state.raised = True
        self._changes.append(Change(began=True, anomaly=_anomaly(state, None)))

    def _end(self, at: int, state: State) -> None:
        self._is_over(_anomaly(state, max(at, state.first)))
        state.raised, state.rests_until = False, at + REST

    def _is_over(self, anomaly: Anomaly) -> None:
        self._over.append(anomaly)
        self._changes.append(Change(began=False, anomaly=anomaly))

    # ---- what is usual ----

    def _learn(self, at: int, readings: Iterable[Reading]) -> None:
        for key, kind, cell in readings:
            rising = _rising(key)
            if rising is None:
                continue
            state = self.states.get((rising.rule, key.label))
            if state is not None and state.over and not state.raised:
                continue  # it may be about to be raised
            if state is not None and state.raised:
                if 0 <= at - state.first < ADOPT:
                    continue
                self._end(at, state)
                state.over = 0
                del self.usual[key]
            found = self.usual.get(key)
            if found is None and len(self.usual) >= MOST_WATCHED:
                self.unwatched += 1
                continue
            usual = Usual() if found is None else found[0]
            usual.learn(cell.mean(kind) or 0.0)
            self.usual[key] = usual, at

    def _forget(self, at: int) -> None:
        """Let go of figures that are not read any more, and of states that say nothing."""
        for key in [key for key, (_, heard) in self.usual.items() if abs(at - heard) >= FORGET]:
            del self.usual[key]
        for name in [name for name, state in self.states.items() if _says_nothing(state, at)]:
            del self.states[name]
        for peer in [peer for peer, times in self._opened.items() if abs(at - times[-1]) >= FLAP_SECONDS]:
            del self._opened[peer]


def figure_of(rule: str, label: str) -> Key | None:
    """The figure whose usual a rule goes by; None if it goes by none."""
    if rule == API_FAILURES.rule:
        return Key("api.requests", label)
    return next((Key(metric, label) for metric, rising in RISING.items() if rising.rule == rule), None)


def _rising(key: Key) -> Rising | None:
    if key == Key("api.requests", "5xx"):
        return API_FAILURES
    return RISING.get(key.metric) if key.label else None


def _judged(rising: Rising, key: Key, value: float, usual: Usual) -> Iterator[Beyond]:
    mean, spread = usual.mean, usual.spread
    limit = max(mean + rising.sigmas * spread, mean * rising.factor, mean + rising.least)
    if value > mean + CLEAR * (limit - mean):
        what = {"drops": f"drops {key.label}", "round-trip": f"round trip to {key.label}"}.get(key.metric, "failed API requests")
        text = f"{what}: {figure(value)}{rising.unit}, usual {figure(mean)}{rising.unit} ± {figure(spread)}"
        yield Beyond(Excess(rising.rule, key.label, value, text), over=value > limit)


def _says_nothing(state: State, at: int) -> bool:
    return not (state.raised or state.over or _rests(state, at))


def _rests(state: State, at: int) -> bool:
    return at < state.rests_until <= at + REST


def _anomaly(state: State, until: int | None) -> Anomaly:
    assert state.excess is not None
    rule, label, value, reason = state.excess
    began = f"since {clock_text(state.first)}" if until is None else f"from {clock_text(state.first)} to {clock_text(until)}"
    return Anomaly(rule, label, state.first, until, value, f"{reason}, {began}", rules.REMEDIES[rule])


def clock_text(at: int) -> str:
    """A time of day, for people."""
    return f"{datetime.fromtimestamp(at, UTC):%H:%M} UTC"
