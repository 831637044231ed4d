"""`appliance plugin check`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.cli.terminal import Terminal
from appliance.errors import ExitCode

if TYPE_CHECKING:
    from appliance.plugin_host.checking import Failure, Report

COLOURS = {"ok": "green", "failed": "red"}


def check(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Run the conformance suites on whatever a plugin registers, and with --lab two nodes that use it."""
    from appliance.plugin_host import checking

    terminal.note(f"checking {arguments.name}{', then two nodes with it' if arguments.lab else ''} …")
    report = checking.check(arguments.name, lab=arguments.lab, say=terminal.note)
    terminal.result(report.to_json(), report_text(report, terminal))
    if report.ok and not arguments.lab:
        terminal.note(f"two real nodes that use it: appliance plugin check {arguments.name} --lab")
    return ExitCode.OK if report.ok else ExitCode.FAILURE


def report_text(report: Report, terminal: Terminal) -> str:
    """Each part with how many tests passed, then each failure: whose, of what, what was wanted, what came and where."""
    lines = [f"{terminal.styled('ok', 'green')}  {part}: {passed} passed" for part, passed in report.suites.items()]
    for failure in report.failures:
        lines += _failure_lines(failure, terminal)
    for fact in report.plugins:
        if fact["state"] != "active":
            lines.append(f"{terminal.styled('FAILED', 'red')}  plugin {fact['name']}, {fact['stage']}: {fact['problem']}")
            lines += [f"    {fact['hint']}"] if fact["hint"] else []
    if report.lab != "not wanted":
        lines.append(f"{terminal.styled('lab', COLOURS.get(report.lab, 'yellow'))}  two nodes: {report.lab}")
    if not report.suites and not report.failures and all(fact["state"] == "active" for fact in report.plugins):
        whys = report.why_skipped or ("the plugin registers nothing that a suite knows",)
        lines += [f"nothing to check: {why}" for why in whys]
    return "\n".join(lines)


def _failure_lines(failure: Failure, terminal: Terminal) -> Iterator[str]:
    yield f"{terminal.styled('FAILED', 'red')}  plugin {failure.plugin or '?'}, {failure.part or 'suites'}: {failure.test}"
    yield f"    {failure.reason}"
    if failure.where:
        yield f"    at {_near(failure.where)}"


def _near(where: str) -> str:
    """From here, when it lies below."""
    path, _, line = where.rpartition(":")
    here = Path.cwd()
    return f"{Path(path).relative_to(here)}:{line}" if Path(path).is_relative_to(here) else where
