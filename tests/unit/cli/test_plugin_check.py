"""What `appliance plugin check` shows."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.cli.plugin_check import report_text
from appliance.cli.terminal import Terminal
from appliance.plugin_host.checking import Failure, Report

GOOD = Report("x", ({"name": "x", "state": "active"},), {"routing parrot": 3}, 0, ())


def shown(report: Report) -> list[str]:
    return report_text(report, Terminal(out=io.StringIO(), err=io.StringIO())).splitlines()


def test_a_failure_names_plugin_part_reason_and_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    failure = Failure("x", "routing parrot", "it stays within the allowed prefixes", "it does not", f"{tmp_path}/src/x.py:7")
    report = replace(GOOD, failures=(failure,))
    assert shown(report) == [
        "ok  routing parrot: 3 passed",
        "FAILED  plugin x, routing parrot: it stays within the allowed prefixes",
        "    it does not",
        "    at src/x.py:7",
    ]
    assert not report.ok
    assert report.to_json()["failures"][0]["where"].endswith("src/x.py:7")


def test_a_plugin_that_does_not_load_is_named_with_what_to_do() -> None:
    fact = {"name": "x", "state": "failed", "stage": "import", "problem": "no y", "hint": "get y"}
    report = replace(GOOD, plugins=(fact,), suites={})
    assert shown(report) == ["FAILED  plugin x, import: no y", "    get y"]
    assert not report.ok


def test_a_lab_that_was_wanted_and_could_not_be_is_no_success() -> None:
    assert GOOD.ok
    assert replace(GOOD, lab="ok").ok
    report = replace(GOOD, lab="not run: needs root")
    assert shown(report)[-1] == "lab  two nodes: not run: needs root"
    assert not report.ok


def test_a_plugin_without_parts_is_not_called_good() -> None:
    report = replace(GOOD, suites={})
    assert shown(report) == ["nothing to check: the plugin registers nothing that a suite knows"]
    assert shown(replace(report, why_skipped=("no database",))) == ["nothing to check: no database"]
    assert not report.ok
