"""When a failed call is made again: after a random wait that grows, so often at most, and within a budget. Knows no event loop's
time: clock, sleep and chance are arguments.

The waits are "full jitter" (AWS Architecture Blog, "Exponential Backoff And Jitter"); the budget is gRPC's retry throttling
(gRFC A6) with Finagle's deposits: where everything fails, retries add a fifth of the load at most, not three times the load.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from appliance.errors import ApplianceError

T = TypeVar("T")

Chance = Callable[[], float]
"""A random number in [0, 1)."""


class Backoff(NamedTuple):
    """How long to wait before attempt two, three and so on."""

    first_s: float = 0.05
    """Upper end of the first wait."""
    most_s: float = 5.0
    """Upper end of any wait."""
    factor: float = 2.0

    def ceiling(self, failed: int) -> float:
        """Upper end of the wait after so many failed attempts, in seconds."""
        return min(self.most_s, self.first_s * self.factor ** min(failed - 1, 64))

    def wait(self, failed: int, chance: Chance) -> float:
        """The wait after so many failed attempts, in seconds: anything from 0 to the ceiling."""
        return self.ceiling(failed) * chance()


USUAL: Final = Backoff()


class RetryBudget:
    """How many retries all calls of one client may make together. Each call pays in a share, each retry takes one out."""

    SHARE: Final = 0.2
    """Chosen as Finagle does: one retry for five calls in the long run."""
    MOST: Final = 20.0
    """What can be saved up: so many retries may come at once. It is full at the start."""

    def __init__(self, *, share: float = SHARE, most: float = MOST) -> None:
        self._share = share
        self._most = most
        self._left = most
        self.refused = 0
        """Retries that were not made for want of budget."""

    def call(self) -> None:
        """A call begins."""
        self._left = min(self._most, self._left + self._share)

    def retry(self) -> bool:
        """May a call be made again now?"""
        if self._left < 1:
            self.refused += 1
            return False
        self._left -= 1
        return True

    @property
    def left(self) -> float:
        """Retries that may be made at once."""
        return self._left


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often one call is made."""

    attempts: int = 4
    """The first one included."""
    backoff: Backoff = USUAL


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Time and chance of a client. Tests bring their own."""

    now: Callable[[], float]
    """Seconds on a clock that never goes back."""
    sleep: Callable[[float], Awaitable[None]]
    chance: Chance


async def with_retries(
    attempt: Callable[[int], Awaitable[T]],
    policy: RetryPolicy,
    budget: RetryBudget,
    around: Surroundings,
    *,
    until: float | None = None,
) -> T:
    """The result of `attempt(number)`, made again while it fails with a retryable error. `number` counts from 1.

    Ends when the attempts or the budget are used up, or the next one could not begin before `until` (a time of the clock):
    raises what the last attempt raised, with a note that says how often it was tried and why no more. Other exceptions,
    cancelling among them, pass at once.
    """
    budget.call()
    for number in range(1, policy.attempts + 1):
        try:
            return await attempt(number)
        except ApplianceError as error:
            if not error.retryable:
                raise
            wait = policy.backoff.wait(number, around.chance)
            why = _why_no_more(number, policy, until, around.now() + wait, budget)
            if why:
                error.add_note(f"attempts: {number}; {why}")
                raise
        await around.sleep(wait)
    raise AssertionError("a policy has at least one attempt")


def _why_no_more(number: int, policy: RetryPolicy, until: float | None, next_at: float, budget: RetryBudget) -> str:
    if number >= policy.attempts:
        return "no more are allowed for one call"
    if until is not None and next_at >= until:
        return "the next would begin after the deadline"
    return "" if budget.retry() else "the client's retry budget is used up"
