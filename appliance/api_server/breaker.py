"""A circuit breaker before the node (Nygard, "Release It!", 2nd edition, section 5.2). Pure: times come in.

    closed ── three questions in a row without an answer ──▶ open ── its pause is over ──▶ half open: one question goes
      ▲                                                       ▲                               │
      └──────────────── the node answered anything ───────────┼── again without an answer ────┘  twice the pause, 30 s at most
                                                              └── everybody else is told at once

A node that hangs would otherwise hold every request for its ten seconds, and all who wait would have their places.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from appliance.errors import ApplianceError, ExitCode

MISSES: Final = 3
PAUSE: Final = 2.0
"""Seconds, the first time."""
LONGEST: Final = 30.0


class NodeSilent(ApplianceError):
    """The node has not answered for a while, and was not asked. `retry_after`: seconds."""

    exit_code = ExitCode.RETRY
    retryable = True

    def __init__(self, retry_after: float) -> None:
        super().__init__("the node does not answer", hint="ask again as Retry-After says; look at the node's log")
        self.retry_after = retry_after


class Question(NamedTuple):
    """One that was let through."""

    began: float
    probe: bool
    """Everybody waits for what becomes of it."""


class Breaker:
    """`opened` counts how often it opened, `refused` questions that were not asked."""

    def __init__(self) -> None:
        self.opened = self.refused = 0
        self._missed = 0
        self._heard = float("-inf")
        self._until: float | None = None
        """When one may try; None: it is closed."""
        self._pause = PAUSE
        self._probing = False

    @property
    def state(self) -> str:
        """One of "closed", "open" and "half-open"."""
        return "closed" if self._until is None else "half-open" if self._probing else "open"

    def begin(self, now: float) -> Question:
        """A question is about to be asked. Raises NodeSilent."""
        if self._until is None:
            return Question(now, probe=False)
        if self._probing or now < self._until:
            self.refused += 1
            raise NodeSilent(max(self._until - now, 1.0))
        self._probing = True
        return Question(now, probe=True)

    def heard(self, question: Question, now: float) -> None:
        """The node answered it, whatever it said."""
        self._probing = self._probing and not question.probe
        self.heard_of(now)

    def heard_of(self, now: float) -> None:
        """The node answered something that was not asked through here."""
        self._heard = now
        self._missed = 0
        self._until, self._pause = None, PAUSE

    def missed(self, question: Question, now: float) -> None:
        """It did not come in time. If the node answered another one meanwhile, it was that question which took long."""
        if question.probe:
            self._probing = False
        if self._heard >= question.began:
            return
        self._missed += 1
        if question.probe or (self._until is None and self._missed >= MISSES):
            self._pause = min(2 * self._pause, LONGEST) if question.probe else PAUSE
            self._until = now + self._pause
            self.opened += not question.probe

    def given_up(self, question: Question) -> None:
        """Who asked does not want to know any more, so nothing is known of the node either."""
        if question.probe:
            self._probing = False
