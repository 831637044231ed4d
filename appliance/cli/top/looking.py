"""Looks at the running node: by its control socket, and at the jobs of its API server where there is one."""

from __future__ import annotations

from typing import Any, Final, Self

from appliance.cli.api.connection import Asked, Target, ask
from appliance.cli.top.snapshot import Look
from appliance.control import client
from appliance.control.messages import Answer, Question, Refusal
from appliance.errors import ApplianceError
from appliance.foundation import clock

JOBS_SECONDS: Final = 2.0
"""How long the API server may take to tell its jobs."""
JOBS_AGAIN: Final = 10
"""Looks until it is asked again, after it did not tell them."""
NEWEST_JOBS: Final = Asked("GET", "/api/v1/jobs?limit=50")


class Looking:
    """One connection to a node, used from one thread. A context. Raises NoDaemon, MissingPrivilege, ControlError."""

    def __init__(self) -> None:
        self._connection = client.Connection()
        self._asked = 0
        self._without_jobs = 0
        """So many looks do without them still."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def look(self) -> Look:
        """What it says now."""
        health, metrics, peers = (self._answer(op) for op in ("health", "metrics", "peers"))
        return Look(clock.monotonic(), clock.utc_text(clock.wall()), health, metrics, peers, self._newest_jobs())

    def _answer(self, operation: str) -> Any:
        self._asked += 1
        self._connection.ask(Question(operation, id=self._asked))
        while True:
            match self._connection.hear(operation):
                case Answer(number, result) if number == self._asked:
                    return result
                case Refusal(_, error):
                    raise client.error_of(error)

    def _newest_jobs(self) -> Any:
        if self._without_jobs:
            self._without_jobs -= 1
            return None
        try:
            return ask(Target(seconds=JOBS_SECONDS), NEWEST_JOBS)["items"]
        except ApplianceError:
            self._without_jobs = JOBS_AGAIN
            return None
