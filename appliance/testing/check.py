"""The runner behind `appliance plugin check`: python -m appliance.testing.check NAME_OR_PATH REPORT.json"""

from __future__ import annotations

import json
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from appliance.api import ENTRY_POINT_GROUP
from appliance.foundation import plugin_folders
from appliance.plugin_host.installed import Installed, installed
from appliance.plugin_host.plugins import PluginHost
from appliance.testing.conformance.crypto import CryptoConformance
from appliance.testing.conformance.discovery import DiscoveryConformance
from appliance.testing.conformance.management import CommandConformance, RouteConformance
from appliance.testing.conformance.monitoring import MonitoringConformance
from appliance.testing.conformance.peer_protocol import PeerProtocolConformance
from appliance.testing.conformance.planning import PlanConformance
from appliance.testing.conformance.routing import RoutingConformance
from appliance.testing.conformance.transport import TransportConformance
from appliance.testing.lab_check import Outcome, try_in_labs

COLLECTED = "from appliance.testing.check import suites\nglobals().update(suites({target!r}))\n"
Suite = type[Any]
SAID = frozenset({"settings", "arguments", "words"})
"""Attributes of suites that are methods there, and data where a plugin says them."""


def main(arguments: list[str]) -> int:
    """Check and write the report. Returns 0 when a report was written."""
    target, report = arguments
    plugin_folders.use()
    host = load(target)
    recorder = _Recorder()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "test_conformance.py")
        path.write_text(COLLECTED.format(target=target), encoding="utf-8")
        own = ["-o", "addopts=", "-c", "/dev/null", "--rootdir", folder, "-p", "no:cacheprovider", "-p", "no:xdist", "-q"]
        pytest.main([*own, str(path)], plugins=[recorder])
        wanted = Outcome("not run: the suites must pass first", []) if recorder.failures else _lab(target, host, Path(folder))
    content = {
        "lab": wanted.said,
        "plugins": host.report(),
        "suites": recorder.passed,
        "skipped": recorder.skipped,
        "failures": recorder.failures + wanted.failures,
    }
    Path(report).write_text(json.dumps(content), encoding="utf-8")
    return 0


def load(target: str) -> PluginHost:
    """The plugin or plugins of `target`. Raises SystemExit with a sentence when there are none."""
    available = installed()
    if target in available:
        return PluginHost.load([target], available)
    project = Path(target) / "pyproject.toml"
    if not project.is_file():
        raise SystemExit(
            f"{target} is neither an installed plugin ({', '.join(available) or 'none'}) nor a folder with a pyproject.toml"
        )
    content = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    entries = content.get("entry-points", {}).get(ENTRY_POINT_GROUP, {})
    if not entries:
        raise SystemExit(f"{project} has no [project.entry-points.{ENTRY_POINT_GROUP!r}]")
    sys.path.insert(0, str(project.parent.resolve() / "src"))
    found = {
        name: Installed(name, EntryPoint(name, value, ENTRY_POINT_GROUP), content["name"], content.get("version", ""))
        for name, value in entries.items()
    }
    return PluginHost.load(found, found)


def _lab(target: str, host: PluginHost, folder: Path) -> Outcome:
    source = None if target in installed() else (Path(target) / "src").resolve()
    return try_in_labs(host, _wishes(host), folder, source)


def suites(target: str) -> dict[str, Suite]:
    """One test class for each thing that `target` registers, by a name that pytest collects."""
    host = load(target)
    wishes = _wishes(host)
    found: dict[str, Suite] = {}
    for base, factory, things in (
        (TransportConformance, "kind", host.transports),
        (CryptoConformance, "suite", host.suites),
        (RoutingConformance, "kind", host.routing),
        (DiscoveryConformance, "kind", host.discovery),
        (MonitoringConformance, "kind", host.monitors),
        (RouteConformance, "route", {name: route for name, (_, route) in host.api_routes().items()}),
        (CommandConformance, "command", {name: command for name, (_, command) in host.cli_commands().items()}),
        (PlanConformance, "hooks", {" ".join(host.plan.names): host.plan} if host.plan.names else {}),
        (PeerProtocolConformance, "kind", host.protocols),
    ):
        for name, thing in things.items():
            title = f"Test_{base.__name__.removesuffix('Conformance').lower()}_{name}"
            attributes = {factory: _always(thing), **_attributes(wishes.get(name, {}))}
            found[title] = type(title, (base,), attributes)
    return found


def _wishes(host: PluginHost) -> dict[str, Mapping[str, Any]]:
    """What a plugin module says in `conformance`: for each name the attributes of its suite ("settings", "hosts", …)."""
    wishes: dict[str, Mapping[str, Any]] = {}
    for namespace in host.namespaces():
        wishes.update(getattr(namespace, "conformance", {}))
    return wishes


def _attributes(wished: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _always(value) if name in SAID else value for name, value in wished.items()}


def _always(value: object) -> Any:
    return lambda self: value  # noqa: ARG005


class _Recorder:
    """A pytest plugin that counts."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self.skipped = 0
        self.failures: list[tuple[str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called for set-up, call and tear-down of each test."""
        suite, _, test = report.nodeid.partition("::")[2].partition("::")
        suite = suite.removeprefix("Test_").replace("_", " ", 1)
        if report.failed:
            self.failures.append((f"{suite}: {test.removeprefix('test_').replace('_', ' ')}", _reason(report.longreprtext)))
        elif report.skipped:
            self.skipped += 1
        elif report.when == "call":
            self.passed[suite] += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Called when tests could not be collected, too."""
        if report.failed:
            self.failures.append(("collecting", _reason(report.longreprtext)))


def _reason(text: str) -> str:
    lines: Iterable[str] = (line[1:].strip() for line in text.splitlines() if line.startswith("E"))
    return next(iter(lines), text.strip().splitlines()[-1] if text.strip() else "no reason given")[:300]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
