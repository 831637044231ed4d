"""One execution of a template: its state, its steps, and what became of each. Frozen: each change makes a new one.

queued ──▶ running ──▶ succeeded
   │         │  │ └──▶ failed
   │         │  └────▶ interrupted      the API server ended while it ran
   │         ▼
   │     cancelling ─▶ cancelled        or how the step that could not be stopped ended
   └──────────────▶ cancelled, failed, interrupted
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self

from appliance.errors import ApplianceError, ExitCode, LocalFault

MOST_RESULT: Final = 8 * 1024
"""Bytes of a step's answer that are kept, as JSON. What is larger is left out, and its size is told."""

MOST_ERROR: Final = 4 * 1024
"""Characters of a step's error that are kept, as JSON."""


class State(StrEnum):
    """Where an execution is."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def over(self) -> bool:
        """Nothing follows."""
        return not MOVES[self]


MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.QUEUED: frozenset((State.RUNNING, State.CANCELLED, State.FAILED, State.INTERRUPTED)),
    State.RUNNING: frozenset((State.CANCELLING, State.SUCCEEDED, State.FAILED, State.INTERRUPTED)),
    State.CANCELLING: frozenset((State.CANCELLED, State.SUCCEEDED, State.FAILED, State.INTERRUPTED)),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
    State.INTERRUPTED: frozenset(),
}


class StepState(StrEnum):
    """How a step is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"


class ExecutionUnknown(ApplianceError):
    """There is no such execution, or not any more: the newest are kept."""


class ExecutionOver(ApplianceError):
    """The execution has ended, so it cannot be cancelled."""


class JobsBusy(ApplianceError):
    """So many executions wait already that no other is taken. Try again later."""

    exit_code = ExitCode.RETRY
    retryable = True


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What became of a step."""

    name: str
    operation: str
    permission: str
    """What is needed to see the answer."""
    state: StepState = StepState.WAITING
    began: str | None = None
    ended: str | None = None
    """In UTC (RFC 3339)."""
    result: Any = None
    """The answer; None while there is none, or where it was too large."""
    result_bytes: int = 0
    error: Mapping[str, Any] | None = None
    """An `ApplianceError.document()`."""

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: getattr(self, name) for name in self.__slots__} | {"state": str(self.state)}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The record whose `document()` this is. What a later version wrote besides is left out."""
        known = {name: document[name] for name in cls.__slots__ if name in document}
        return cls(**{**known, "state": StepState(document["state"])})


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a template."""

    id: str
    template: str
    version: int
    """The template's."""
    by: str
    """The name of the user whom it acts for."""
    user: str
    """His id, which nobody else gets after him; "" for somebody on the host, who is no user."""
    server: str
    """The API server that runs it."""
    created: str
    """In UTC (RFC 3339)."""
    steps: tuple[StepRecord, ...]
    parameters: Mapping[str, Any]
    """What was chosen, without secrets."""
    state: State = State.QUEUED
    began: str | None = None
    ended: str | None = None
    error: Mapping[str, Any] | None = None
    """Why it did not succeed."""

    @property
    def whose(self) -> str:
        """Tells users apart, and from somebody on the host."""
        return whose(self.by, self.user)

    @property
    def progress(self) -> dict[str, int]:
        """How many steps are over, of how many."""
        over = sum(step.state not in {StepState.WAITING, StepState.RUNNING} for step in self.steps)
        return {"done": over, "of": len(self.steps)}

    def moved(self, state: State, now: str, error: Mapping[str, Any] | None = None) -> Self:
        """In another state. Raises LocalFault for a move that there is not."""
        if state not in MOVES[self.state]:
            raise LocalFault(f"execution {self.id}: from {self.state} to {state}")
        began = now if state is State.RUNNING else self.began
        return replace(self, state=state, began=began, ended=now if state.over else None, error=error or self.error)

    def with_step(self, index: int, **changes: Any) -> Self:
        """With a step changed."""
        steps = list(self.steps)
        steps[index] = replace(steps[index], **changes)
        return replace(self, steps=tuple(steps))

    def ended_as(self, state: State, now: str, error: Mapping[str, Any] | None) -> Self:
        """In a state that is the last. Steps that were not begun are skipped."""
        if state is State.CANCELLED and self.state is State.RUNNING:
            return self.moved(State.CANCELLING, now).ended_as(state, now, error)
        skipped = (replace(step, state=StepState.SKIPPED) if step.state is StepState.WAITING else step for step in self.steps)
        return replace(self.moved(state, now, error), steps=tuple(skipped))

    def interrupted(self, now: str, message: str) -> Self:
        """As it is after the process that ran it has gone: a step that was under way may have been done, or not."""
        error = failure("interrupted", message, "look at the steps, and at the node, before you run it again")
        under_way = [index for index, step in enumerate(self.steps) if step.state is StepState.RUNNING]
        execution = self
        for index in under_way:
            execution = execution.with_step(index, state=StepState.FAILED, ended=now, error=error)
        return execution.ended_as(State.INTERRUPTED, now, error)

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return fields | {"state": str(self.state), "steps": [step.document() for step in self.steps]}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The execution whose `document()` this is. What a later version wrote besides is left out."""
        steps = tuple(StepRecord.of(step) for step in document["steps"])
        known = {name: document[name] for name in cls.__slots__ if name in document}
        return cls(**{**known, "state": State(document["state"]), "steps": steps})

    def shown(self, may: Callable[[str], bool]) -> dict[str, Any]:
        """For a caller who `may` use permissions: an answer is for whoever could have asked for it."""
        steps = [step.document() if may(step.permission) else step.document() | {"result": None} for step in self.steps]
        return self.document() | {"steps": steps, "progress": self.progress}

    def summary(self) -> dict[str, Any]:
        """For lists: without the steps."""
        fields = self.document() | {"progress": self.progress}
        return {name: value for name, value in fields.items() if name not in {"steps", "parameters"}}


def whose(name: str, user: str) -> str:
    """Tells callers apart: two users may have had one name, and a user may be called as somebody on the host is."""
    return user or f"on the host: {name}"


def failure(code: str, message: str, hint: str = "") -> dict[str, Any]:
    """An error that nobody raised, in the form of `ApplianceError.document()`."""
    return {"code": code, "message": message, "hint": hint, "exit": int(ExitCode.FAILURE)}


def bounded(result: Any) -> tuple[Any, int]:
    """A step's answer if it is small enough to be kept, else None, and its size in bytes as JSON."""
    size = len(json.dumps(result, ensure_ascii=False, default=str).encode(errors="replace"))
    return (result if size <= MOST_RESULT else None), size


def bounded_error(error: Mapping[str, Any]) -> dict[str, Any]:
    """A step's error as it is kept: a large one, such as that of a profile with two hundred problems, without what more it
    tells."""
    if len(json.dumps(error, default=str)) <= MOST_ERROR:
        return dict(error)
    short = {name: str(error.get(name, ""))[: MOST_ERROR // 4] for name in ("code", "message", "hint")}
    return short | {"exit": error.get("exit", int(ExitCode.FAILURE))}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much there may be."""

    at_a_time: int = 16
    """Executions that run."""
    of_a_user: int = 4
    """Of those, a user's."""
    waiting: int = 256
    waiting_of_a_user: int = 32
    """Executions that wait, and a user's of them."""
    kept: int = 500
    """Executions that are remembered after their end, the newest: 160 MB if each is as large as can be, 5 MB as they are."""
    output_events: int = 1_000
    output_bytes: int = 64 * 1024
    """Of an execution's stream, the newest."""


def next_to_run(waiting: Sequence[Execution], running: Sequence[Execution], limits: Limits) -> Execution | None:
    """Of those that wait, in their order, the first whose user has not as many under way as he may. None if nobody's turn is."""
    if len(running) >= limits.at_a_time:
        return None
    for one in waiting:
        if sum(other.whose == one.whose for other in running) < limits.of_a_user:
            return one
    return None


def check_room(caller: str, waiting: Sequence[Execution], limits: Limits) -> None:
    """Raises JobsBusy if no other execution of this caller (`whose`) is taken now."""
    if len(waiting) >= limits.waiting:
        raise JobsBusy(f"{limits.waiting} executions wait already", hint="try again when some have ended")
    if sum(one.whose == caller for one in waiting) >= limits.waiting_of_a_user:
        hint = "cancel some, or try again when some have ended"
        raise JobsBusy(f"{limits.waiting_of_a_user} executions of yours wait already", hint=hint)
