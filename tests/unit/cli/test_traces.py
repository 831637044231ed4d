"""What is shown of traces."""

from __future__ import annotations

import io
from argparse import Namespace
from typing import Any

import pytest

from appliance.cli import traces
from appliance.cli.api.connection import Asked, Target
from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal
from appliance.errors import ExitCode

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
LINE = {
    "trace": TRACE, "at": "2026-11-27T09:10:30.123Z", "ms": 1012.34, "name": "POST /api/v1/node/reload", "steps": 3,
    "where": "node reload", "where_ms": 980.1, "error": "PlanMoved",
}  # fmt: skip
STEPS = [
    {
        "depth": depth, "name": name, "after_ms": after, "ms": took, "own_ms": own, "error": error,
        "attributes": {"http.response.status_code": 409, "url.scheme": "http"} if not depth else {},
    }
    for depth, name, after, took, own, error in (
        (0, "POST /api/v1/node/reload", 0.0, 1012.34, 12.1, ""),
        (1, "ask reload", 12.0, 1000.24, 20.14, "PlanMoved"),
        (2, "node reload", 14.5, 980.1, 980.1, "PlanMoved"),
    )
]  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which paths were asked for."""
    asked: list[str] = []

    def answer(target: Target, wanted: Asked) -> Any:
        assert target == Target()
        asked.append(wanted.path)
        return {**LINE, "items": STEPS} if TRACE in wanted.path else {"items": [LINE] if "failed" in wanted.path else []}

    monkeypatch.setattr(traces, "ask", answer)
    return asked


def said(trace: str | None = None, name: str | None = None, *, failed: bool = False) -> str:
    out = io.StringIO()
    given = Namespace(trace=trace, name=name, failed=failed, url=None, token_file=None)
    assert traces.trace(given, Terminal(out=out, err=io.StringIO())) == ExitCode.OK
    return out.getvalue()


def test_the_slowest_are_a_line_each(asked: list[str]) -> None:
    head, line = said(name="re load", failed=True).splitlines()
    assert head.split() == ["TOOK", "AT", "WHAT", "MOSTLY", "IN", "THERE", "ERROR", "TRACE"]
    assert line.split("  ")[0] == "1012.3 ms"
    assert all(part in line for part in ("09:10:30", "node reload", "980.1 ms", "PlanMoved", TRACE))
    assert said() == "no traces yet\n"
    assert asked == ["/api/v1/traces?limit=20&name=re+load&failed=true", "/api/v1/traces?limit=20"]


def test_one_is_shown_step_by_step(asked: list[str]) -> None:
    first, head, *lines = said(TRACE).splitlines()
    assert first == f"{TRACE}  2026-11-27T09:10:30.123Z"
    assert head.split() == ["AFTER", "TOOK", "ITSELF", "STEP"]
    steps = [line.index(step["name"]) for line, step in zip(lines, STEPS, strict=True)]
    assert [each - steps[0] for each in steps] == [0, 2, 4]
    assert lines[0].endswith("status_code=409")
    assert lines[2].endswith("PlanMoved")
    assert asked == [f"/api/v1/traces/{TRACE}"]


def test_one_trace_is_not_chosen_twice(asked: list[str]) -> None:
    with pytest.raises(UsageError):
        said(TRACE, failed=True)
    assert not asked
