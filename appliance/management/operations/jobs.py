"""Rows about templates, jobs and events: the API server answers them from what it keeps."""

from __future__ import annotations

from typing import Final

from appliance.management.operations import jobs_models as models
from appliance.management.operations.row import AnsweredBy, Page, Row, Verb

_TEMPLATES, _JOBS, _EVENTS = "Templates", "Jobs", "Events"
_SERVER = AnsweredBy.SERVER
_EXAMPLE: Final = {"template": "health-check", "parameters": {"patience": 10}}
_ID: Final = {"executionId": "01890a5d-ac96-774b-bcce-b302099a8057"}
_RESUME: Final = (
    "Each event has an id; ids only grow. Give the last one that you had (Last-Event-ID, or `after`), and nothing is lost or "
    "doubled. An event `stale` says that you come too late for some, and where it goes on. A stream ends after ten minutes: "
    "connect again."
)

ROWS: Final = (
    Row(
        "templates.list", "templates of jobs", _TEMPLATES, "jobs.read", Verb.GET, "/templates", models.Templates, Page,
        _SERVER, listed_by="name",
    ),
    Row(
        "templates.get", "one template with its parameters and steps", _TEMPLATES, "jobs.read", Verb.GET,
        "/templates/show/{name}", models.Template, models.TemplateNamed, _SERVER, fails=(404,), example={"name": "health-check"},
    ),
    Row(
        "templates.dry_run", "what a template would do, without doing it", _TEMPLATES, "jobs.run", Verb.POST,
        "/templates/dry-run", models.DryRun, models.Execute, _SERVER, fails=(404,), example=_EXAMPLE,
        about="Judged as an execution is, permissions of all steps too; nothing is asked of the node.",
    ),
    Row(
        "templates.execute", "run a template as a job", _TEMPLATES, "jobs.run", Verb.POST, "/templates/execute",
        models.Execution, models.Execute, _SERVER, success=202, fails=(404, 409), once=True, example=_EXAMPLE,
        about="With the header Idempotency-Key the same request twice, within a day, is one execution.",
    ),
    Row(
        "templates.status", "how an execution is", _TEMPLATES, "jobs.read", Verb.GET, "/templates/status/{executionId}",
        models.Execution, models.ExecutionNamed, _SERVER, fails=(404,), example=_ID,
    ),
    Row(
        "templates.stream", "follow an execution", _TEMPLATES, "jobs.read", Verb.GET, "/templates/stream/{executionId}",
        models.StreamEvent, models.FollowExecution, _SERVER, stream=True, fails=(404,), example=_ID,
        about=f"Events `state`, `step` and `output`, to the end of the execution. {_RESUME}",
    ),
    Row(
        "jobs.list", "executions, the newest first", _JOBS, "jobs.read", Verb.GET, "/jobs", models.Executions, Page, _SERVER,
    ),
    Row(
        "jobs.cancel", "end an execution", _JOBS, "jobs.run", Verb.POST, "/jobs/{executionId}/cancel",
        models.Execution, models.ExecutionNamed, _SERVER, success=202, fails=(404, 409), example=_ID,
        about="A step that changes something comes to its end first.",
    ),
    Row(
        "events.follow", "follow what happens", _EVENTS, "node.read", Verb.GET, "/events", models.StreamEvent,
        models.FollowEvents, _SERVER, stream=True, example={"topics": ["node", "jobs"]},
        about=f"Events of the node, of jobs, and of what else the API server does. {_RESUME}",
    ),
)  # fmt: skip
