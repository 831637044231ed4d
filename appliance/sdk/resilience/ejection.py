"""Which instances of a service are left out for a while, because calls to them fail or take far longer than to the others. Pure.

As Envoy's outlier detection does it: an instance is out after five failures in a row, for 30 s × how often it was out; every
interval that it stays in takes one time back. Never so many are out that fewer than the floor are left: then those that would
come back first stay in. A sole instance is thus always used, and it is said that all are bad.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Final, NamedTuple


@dataclass(frozen=True, slots=True)
class EjectionLimits:
    """When an instance is out, and for how long. The first four are Envoy's defaults."""

    consecutive: int = 5
    """Failures in a row."""
    base_s: float = 30.0
    """How long it is out the first time."""
    most_s: float = 300.0
    interval_s: float = 10.0
    """Between two looks at who is slow, and in which a good instance has one of its times taken back."""
    floor: float = 0.25
    """Share of the instances that is used in any case, rounded up; at least one."""
    slow_factor: float = 3.0
    """An instance is slow if its calls took so many times as long as the median of the others' …"""
    slow_least_s: float = 0.05
    """… and this many seconds longer."""
    slow_calls: int = 3
    """Calls in an interval below which nothing is said of an instance's speed."""


USUAL: Final = EjectionLimits()


class Rotation(NamedTuple):
    """Who is used."""

    used: tuple[str, ...]
    spared: tuple[str, ...]
    """Those of `used` that are bad and used all the same, for the floor's sake."""

    @property
    def degraded(self) -> bool:
        """Are all that are used bad?"""
        return bool(self.used) and len(self.spared) == len(self.used)


class _Track:
    """What calls to one instance came to."""

    __slots__ = ("calls", "failures", "seconds", "times", "until", "why")

    def __init__(self) -> None:
        self.failures = 0
        self.times = 0
        self.until = 0.0
        self.why = ""
        self.calls = 0
        self.seconds = 0.0


class Ejections:
    """Of one service, as one client sees it."""

    def __init__(self, limits: EjectionLimits = USUAL) -> None:
        self._limits = limits
        self._tracks: dict[str, _Track] = {}
        self._looked = 0.0
        self.ejected = 0
        """How often any was put out."""

    def keep(self, names: Collection[str]) -> None:
        """These instances are there, and no others."""
        for gone in self._tracks.keys() - set(names):
            del self._tracks[gone]
        for name in names:
            self._tracks.setdefault(name, _Track())

    def succeeded(self, name: str, seconds: float, now: float) -> None:
        """A call worked, and took so long."""
        self._look(now)
        if track := self._tracks.get(name):
            track.failures = 0
            track.calls += 1
            track.seconds += seconds

    def failed(self, name: str, now: float) -> None:
        """A call failed by the fault of the instance, or of the way to it."""
        self._look(now)
        track = self._tracks.get(name)
        if track is None:
            return
        track.failures += 1
        if track.failures >= self._limits.consecutive and track.until <= now:
            self._eject(track, f"{track.failures} calls in a row failed", now)

    def rotation(self, names: Iterable[str], now: float) -> Rotation:
        """Who of `names` is used now: those that are not out, and as many others as the floor wants."""
        self._look(now)
        names = list(names)
        out = sorted((name for name in names if self._is_out(name, now)), key=lambda name: (self._tracks[name].until, name))
        used = [name for name in names if name not in out]
        floor = max(1, ceil(self._limits.floor * len(names)))
        spared = out[: max(0, floor - len(used))]
        return Rotation(tuple(used + spared), tuple(spared))

    def why_out(self, name: str, now: float) -> str:
        """Why an instance is out; "" if it is not."""
        return self._tracks[name].why if self._is_out(name, now) else ""

    def back_in(self, name: str, now: float) -> float:
        """Seconds until it is back; 0 if it is not out."""
        track = self._tracks.get(name)
        return 0.0 if track is None else max(0.0, track.until - now)

    def _is_out(self, name: str, now: float) -> bool:
        track = self._tracks.get(name)
        return track is not None and track.until > now

    def _eject(self, track: _Track, why: str, now: float) -> None:
        track.times += 1
        track.until = now + min(self._limits.most_s, self._limits.base_s * track.times)
        track.failures = 0
        track.why = why
        self.ejected += 1

    def _look(self, now: float) -> None:
        """Once an interval: who is slow, and who gets a time back."""
        passed = int((now - self._looked) / self._limits.interval_s)
        if passed < 1:
            return
        self._looked = now
        means = {
            name: track.seconds / track.calls for name, track in self._tracks.items() if track.calls >= self._limits.slow_calls
        }
        for name, track in self._tracks.items():
            if track.until > now:
                continue
            others = [mean for other, mean in means.items() if other != name]
            if name in means and others and self._is_slow(means[name], median(others)):
                why = f"its calls took {means[name] * 1000:.0f} ms, the others' {median(others) * 1000:.0f} ms"
                self._eject(track, why, now)
            elif track.until < now - self._limits.interval_s:
                track.times = max(0, track.times - passed)
        for track in self._tracks.values():
            track.calls, track.seconds = 0, 0.0

    def _is_slow(self, mean: float, others: float) -> bool:
        return mean > others * self._limits.slow_factor and mean > others + self._limits.slow_least_s
