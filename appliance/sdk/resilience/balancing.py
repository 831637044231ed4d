"""Which instance of a service gets the next call. Pure.

Those that say of themselves that they fail are used only if no other is there; those that are ejected (`ejection`) only for the
floor's sake; those that say that they are overloaded only if all do. Among the rest, whoever has the fewest of this client's
calls under way, or each in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from appliance.sdk.resilience.ejection import USUAL, EjectionLimits, Ejections

OVERLOADED: Final = 90
"""Per cent of load from which others are preferred."""


class Balancing(StrEnum):
    """How instances take turns."""

    LEAST_LOADED = "least-loaded"
    """The one with the fewest of this client's calls under way; of several, any."""
    ROUND_ROBIN = "round-robin"
    """One after the other."""


class Candidate(NamedTuple):
    """An instance as the balancer sees it."""

    node: str
    """The member that serves."""
    healthy: bool = True
    """What it says of itself."""
    load: int = 0
    """Per cent, as it says itself."""


class Balancer:
    """Of one service, as one client sees it. `chance`: a random number in [0, 1)."""

    def __init__(self, way: Balancing, chance: Callable[[], float], limits: EjectionLimits = USUAL) -> None:
        self._way = way
        self._chance = chance
        self._candidates: dict[str, Candidate] = {}
        self._under_way: dict[str, int] = {}
        self._turn = 0
        self.ejections = Ejections(limits)

    def update(self, candidates: Iterable[Candidate]) -> None:
        """These instances are there, and no others."""
        self._candidates = {candidate.node: candidate for candidate in sorted(candidates)}
        self.ejections.keep(self._candidates.keys())

    def pick(self, now: float, avoid: Sequence[str] = ()) -> str | None:
        """The instance for a call that begins, which is counted as under way until `done`. None if there is none.

        Those in `avoid`, where the call failed before, only if there are no others.
        """
        usable = self._usable(now)
        fresh = [node for node in usable if node not in avoid] or usable
        if not fresh:
            return None
        node = self._one_of(fresh)
        self._under_way[node] = self._under_way.get(node, 0) + 1
        return node

    def done(self, node: str) -> None:
        """A call to it is over, however it went."""
        left = self._under_way.pop(node, 0) - 1
        if left > 0:
            self._under_way[node] = left

    def degraded(self, now: float) -> str:
        """What is wrong with the service as a whole; "" if some instance is good."""
        if not self._candidates:
            return "no instance is there"
        rotation = self.ejections.rotation(self._healthy(), now)
        if not rotation.degraded and any(candidate.healthy for candidate in self._candidates.values()):
            return ""
        return "degraded: all ejected" if rotation.degraded else "degraded: all say that they fail"

    def report(self, now: float) -> dict[str, Any]:
        """For people and monitors."""
        used = self._usable(now)
        return {
            "degraded": self.degraded(now),
            "instances": {
                node: {
                    "used": node in used,
                    "healthy": candidate.healthy,
                    "load": candidate.load,
                    "under_way": self._under_way.get(node, 0),
                    "ejected": self.ejections.why_out(node, now),
                    "back_in_s": round(self.ejections.back_in(node, now), 3),
                }
                for node, candidate in self._candidates.items()
            },
        }

    def _healthy(self) -> list[str]:
        """All that say that they work; if none does, all."""
        good = [node for node, candidate in self._candidates.items() if candidate.healthy]
        return good or list(self._candidates)

    def _usable(self, now: float) -> list[str]:
        used = self.ejections.rotation(self._healthy(), now).used
        return [node for node in used if self._candidates[node].load < OVERLOADED] or list(used)

    def _one_of(self, nodes: Sequence[str]) -> str:
        if self._way is Balancing.ROUND_ROBIN:
            self._turn += 1
            return sorted(nodes)[self._turn % len(nodes)]
        least = min(self._under_way.get(node, 0) for node in nodes)
        idle = [node for node in nodes if self._under_way.get(node, 0) == least]
        return idle[int(self._chance() * len(idle))]
