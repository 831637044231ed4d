"""schemathesis makes requests from both descriptions of the API, well-formed ones and others, and judges the answers by them.

The server's answers are made up (`api_server.mocking`); what reads and judges requests is the product's own. Seed and number are
fixed in the short form, so that it says the same each time.
"""

from __future__ import annotations

import pytest
import schemathesis
from rigs.mock_api import mock_api
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import from_schema
from schemathesis.engine.events import EngineFinished, FatalError, NonFatalError, ScenarioFinished

from appliance.api_server import mocking
from appliance.management.operations.table import ROWS

pytestmark = pytest.mark.fuzz


def config(examples: int, *, coverage: bool, fixed: bool) -> SchemathesisConfig:
    """`examples`: random requests of each operation. `coverage`: each limit of each argument, at and beyond it."""
    generation = {"max-examples": max(1, examples), "deterministic": fixed, "no-shrink": True, "database": "none"}
    others = {"unexpected-methods": ["DELETE", "OPTIONS"]} if fixed else {}
    phases = {"stateful": {"enabled": False}, "coverage": {"enabled": coverage, **others}, "fuzzing": {"enabled": examples > 0}}
    seed = {"seed": 1} if fixed else {}
    return SchemathesisConfig.from_dict(
        {"headers": {"Authorization": "Bearer admin"}, "generation": generation, "phases": phases, **seed}
    )


def asked_and_found(path: str, how: SchemathesisConfig) -> tuple[set[str], list[str]]:
    """The operations that requests were made for, and what was wrong with answers."""
    asked: set[str] = set()
    faults: list[str] = []
    with mock_api() as url:
        described = schemathesis.openapi.from_url(f"{url}/api/v1/{path}", config=how)
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
    asked, faults = asked_and_found(path, how)
    assert not faults, "\n\n".join(faults[:10])
    assert {f"{row.verb} {row.full_path}" for row in ROWS} <= asked


def test_an_answer_that_lacks_something_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mocking, "example", lambda *_: {"items": [], "made": "up"})
    _, faults = asked_and_found("openapi.json", config(1, coverage=False, fixed=True))
    assert any("is a required property" in fault for fault in faults)
