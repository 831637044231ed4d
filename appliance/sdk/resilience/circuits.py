"""A circuit breaker for each place that a client calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from appliance.errors import ApplianceError
from appliance.sdk.errors import CircuitOpen, NodeGone
from appliance.sdk.resilience.breaker import Circuit, CircuitBreaker, Thresholds

T = TypeVar("T")

MOST: Final = 1024
"""Places that are remembered. Beyond that those whose circuit is closed are forgotten."""


class Circuits:
    """By place, in words. `now()`: seconds on a clock that never goes back."""

    def __init__(self, thresholds: Thresholds, now: Callable[[], float]) -> None:
        self._thresholds = thresholds
        self._now = now
        self._breakers: dict[str, CircuitBreaker] = {}

    async def guarded(self, place: str, deed: Callable[[], Awaitable[T]]) -> T:
        """The result of `deed()`, a call to that place. Raises CircuitOpen without calling it if too many failed.

        An error counts against the place if it is retryable: others are its answers, and the node of this host is not the place.
        """
        breaker = self._breaker(place)
        if not breaker.allows(self._now()):
            wait = breaker.opens_in(self._now())
            raise CircuitOpen(
                f"{place}: too many calls failed, so none is made for {wait:.1f} s",
                hint="is it there? see: appliance peers",
                opens_in_s=wait,
            )
        try:
            result = await deed()
        except NodeGone:
            breaker.taken_back(self._now())
            raise
        except ApplianceError as error:
            (breaker.failed if error.retryable else breaker.succeeded)(self._now())
            raise
        except BaseException:
            breaker.taken_back(self._now())
            raise
        breaker.succeeded(self._now())
        return result

    def not_closed(self) -> Mapping[str, str]:
        """The circuits that are open or half-open."""
        now = self._now()
        states = {place: breaker.state(now) for place, breaker in self._breakers.items()}
        return {place: str(state) for place, state in states.items() if state is not Circuit.CLOSED}

    def _breaker(self, place: str) -> CircuitBreaker:
        breaker = self._breakers.get(place)
        if breaker is None:
            if len(self._breakers) >= MOST:
                open_ones = self.not_closed()
                self._breakers = {each: self._breakers[each] for each in list(open_ones)[-MOST // 2 :]}
            breaker = self._breakers[place] = CircuitBreaker(self._thresholds)
        return breaker
