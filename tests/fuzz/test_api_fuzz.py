"""schemathesis makes requests from both descriptions of the API, well-formed ones and others, and judges the answers by them.

The server's answers are made up (`api_server.example_server`); what reads and judges requests is the product's. In the short form
seed and number are fixed, so that it says the same each time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from rigs.mock_api import mock_api
from rigs.whole_api import TOKEN, whole_api
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import from_schema
from schemathesis.engine.events import EngineFinished, FatalError, NonFatalError, ScenarioFinished
from schemathesis.schemas import BaseSchema

from appliance.api_server import example_server
from appliance.management.operations.table import ROWS

pytestmark = [pytest.mark.fuzz, pytest.mark.no_cover]  # measured by its own tests; here it would take three times as long


def config(examples: int, *, coverage: bool, fixed: bool, token: str = "admin", **more: Any) -> SchemathesisConfig:
    """`examples`: random requests of each operation. `coverage`: each limit of each argument, at and beyond it."""
    generation = {"max-examples": max(1, examples), "deterministic": fixed, "no-shrink": True, "database": "none"}
    others = {"unexpected-methods": ["DELETE", "OPTIONS"]} if fixed else {}
    phases = {"stateful": {"enabled": False}, "coverage": {"enabled": coverage, **others}, "fuzzing": {"enabled": examples > 0}}
    seed = {"seed": 1} if fixed else {}
    return SchemathesisConfig.from_dict(
        {"headers": {"Authorization": f"Bearer {token}"}, "generation": generation, "phases": phases, **seed, **more}
    )


def asked_and_found(described: BaseSchema) -> tuple[set[str], list[str]]:
    """The operations that requests were made for, and what was wrong with answers."""
    asked: set[str] = set()
    faults: list[str] = []
    for event in from_schema(described).execute():
        if isinstance(event, ScenarioFinished):
            asked |= {event.recorder.label} if event.recorder.cases else set()
            nodes = [node for nodes in event.recorder.checks.values() for node in nodes]
            faults += [f"{node.failure_info.failure}\n{node.failure_info.code_sample}" for node in nodes if node.failure_info]
        elif isinstance(event, EngineFinished):
            faults += map(str, event.failures)
        elif isinstance(event, FatalError):
            faults.append(repr(event.exception))
        elif isinstance(event, NonFatalError):
            faults.append(f"{event.label}: {event.value!r}")
    return asked, faults


@pytest.mark.parametrize("path", ["openapi.json", "openapi-3.0.json"])
@pytest.mark.timeout(600)
def test_no_answer_is_other_than_described(path: str, long_form: bool) -> None:
    how = config(100, coverage=True, fixed=False)
    if not long_form:  # limits by one, random ones by the other: the models are the same
        how = config(0, coverage=True, fixed=True) if path == "openapi.json" else config(1, coverage=False, fixed=True)
    with mock_api() as url:
        asked, faults = asked_and_found(schemathesis.openapi.from_url(f"{url}/api/v1/{path}", config=how))
    assert not faults, "\n\n".join(faults[:10])
    assert {f"{row.verb} {row.full_path}" for row in ROWS} <= asked


def test_an_answer_that_lacks_something_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example_server, "example", lambda *_: {"items": [], "made": "up"})
    with mock_api() as url:
        described = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json", config=config(1, coverage=False, fixed=True))
        _, faults = asked_and_found(described)
    assert any("is a required property" in fault for fault in faults)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_users_jobs_and_reviews_answer_as_described(tmp_path: Path) -> None:
    """With all parts of the API server, which say no for more reasons than a description has. Left out: what never ends, and
    /api/health, which says 503 since this node has little that is well."""
    judged = {"checks": {"positive_data_acceptance": {"enabled": False}}, "max-stream-events": 1}
    how = config(20, coverage=True, fixed=False, token=TOKEN, **judged)
    with whole_api(tmp_path) as url:
        described = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json", config=how)
        _, faults = asked_and_found(described.exclude(path_regex="events$|stream|templates/execute|^/api/health$"))
    assert not faults, "\n\n".join(faults[:10])
