"""What operations about templates, jobs and events take and answer."""

from __future__ import annotations

from typing import Any

from pydantic import Field, JsonValue

from appliance.management.operations.row import Arguments, Result

# ---- templates ----


class TemplateSummary(Result):
    """A template, in short."""

    name: str
    version: int = Field(description="Grows with each change.")
    summary: str
    permissions: list[str] = Field(description="What its steps need, beside jobs.run.")
    allowed: bool = Field(description="The caller may run it.")


class Templates(Result):
    """Templates, by name."""

    items: list[TemplateSummary]
    next: str = Field(description="Give it as `after` for the next page; empty at the end.")


class TemplateParameter(Result):
    """What whoever runs a template may choose."""

    type: str = Field(description="text, number, boolean or choice.")
    summary: str
    required: bool
    default: JsonValue = Field(description="Null: without it the argument is left out.")
    secret: bool = Field(description="Its value is shown nowhere and kept nowhere.")
    pattern: str | None = Field(description="Of a text: a regular expression for the whole of it.")
    minimum: float | None = Field(description="Of a text: its least characters.")
    maximum: float | None = Field(description="Of a text: its most characters.")
    choices: list[str]


class TemplateStep(Result):
    """A step of a template; parameters stand in it as ${name}."""

    name: str
    operation: str
    arguments: dict[str, Any]
    undo: dict[str, Any] | None = Field(description="What takes it back, once it was done.")
    pause: float | str = Field(description="Seconds to wait before it.")
    within: float | str = Field(description="Seconds for which it is asked again until the answer is as expected.")
    expect: dict[str, Any] = Field(description="What the answer has to have.")
    end_if: dict[str, Any] = Field(description="If the answer has this, the execution has succeeded. Empty: never.")
    on_failure: str = Field(description="stop, continue or undo.")


class Template(TemplateSummary):
    """A template."""

    timeout: float = Field(description="Seconds that an execution may take.")
    parameters: dict[str, TemplateParameter]
    steps: list[TemplateStep]


class TemplateNamed(Arguments):
    """Which template."""

    name: str = Field(max_length=63, description="Its name.")


class Execute(Arguments):
    """Which template, with which values."""

    template: str = Field(max_length=63, description="Its name.")
    parameters: dict[str, JsonValue] = Field(
        default_factory=dict, max_length=64, description="Values of its parameters, by name."
    )


class DryStep(TemplateStep):
    """A step as it would be done: with the values, without secrets."""

    permission: str = Field(description="What it needs.")


class DryRun(Result):
    """What would be done."""

    steps: list[DryStep]


# ---- executions ----


class Progress(Result):
    """How far it is."""

    done: int = Field(description="Steps that are over.")
    of: int = Field(description="Steps there are.")


class Failure(Result):
    """Why something failed."""

    code: str = Field(description="For programs; docs/troubleshooting.md has a section for each.")
    message: str
    hint: str


class ExecutionSummary(Result):
    """An execution of a template, in short."""

    id: str = Field(description="A UUID of version 7: they are in the order of their time.")
    template: str
    version: int = Field(description="The template's.")
    by: str = Field(description="The user whom it acts for.")
    user: str = Field(description="His id; empty for somebody on the node's host.")
    server: str = Field(description="The API server that runs it.")
    state: str = Field(description="queued, running, cancelling, succeeded, failed, cancelled or interrupted.")
    created: str = Field(description="In UTC (RFC 3339).")
    began: str | None = Field(description="Null while it waits for its turn.")
    ended: str | None = Field(description="Null while it is not over.")
    error: Failure | None = Field(description="Why it did not succeed.")
    progress: Progress


class ExecutionStep(Result):
    """What became of a step."""

    name: str
    operation: str
    permission: str = Field(description="What is needed to see its answer.")
    state: str = Field(description="waiting, running, done, failed, skipped, undone or undo_failed.")
    began: str | None
    ended: str | None
    result: Any = Field(
        description="The answer; null where there is none, it was larger than 8 KiB, or the caller may not see it."
    )
    result_bytes: int = Field(description="How large the answer is, as JSON.")
    error: Failure | None


class Execution(ExecutionSummary):
    """An execution of a template."""

    parameters: dict[str, Any] = Field(description="What was chosen, without secrets.")
    steps: list[ExecutionStep]


class Executions(Result):
    """Executions, the newest first."""

    items: list[ExecutionSummary]
    next: str = Field(description="Give it as `after` for the next page; empty at the end.")


class ExecutionNamed(Arguments):
    """Which execution."""

    executionId: str = Field(max_length=64, description="Its id.")  # noqa: N815  as paths of version 1 have it


# ---- streams ----


class Follow(Arguments):
    """From where."""

    after: str | None = Field(
        default=None,
        pattern="^[0-9]{0,15}$",
        description="The id of the last event you had; the header Last-Event-ID says the same.",
    )


class FollowExecution(ExecutionNamed, Follow):
    """Which execution, and from where. Without a cursor: from its beginning."""


class FollowEvents(Follow):
    """Which events, and from where. Without a cursor: those from now on."""

    topics: tuple[str, ...] = Field(
        default=(),
        max_length=16,
        description="Only events of these topics (node, jobs, …); none: of all that the caller may see.",
    )


class StreamEvent(Result):
    """An event. As a server-sent event its id and its kind are lines of their own, too."""

    event: str = Field(description='What it is: "node.health", "jobs.succeeded", "step", …')
    time: str | None = Field(default=None, description="In UTC (RFC 3339); `stale` has none.")
