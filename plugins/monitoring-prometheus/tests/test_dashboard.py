"""Rules for alerts and the dashboard in packaging/monitoring: what they ask for is there, and each rule fires when it should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from appliance.api.monitoring import CertificateFigures, ClassFigures, DiskFigures, ProcessFigures
from appliance.testing.monitoring import FIGURES, FakeMonitoringServices
from appliance_monitoring_prometheus.collector import NodeCollector

FOLDER = Path(__file__).parents[3] / "packaging/monitoring"
RULES = FOLDER / "appliance.rules.yml"
ALL = FIGURES._replace(
    members={"alive": 1},
    classes={"bulk": ClassFigures(1, 1, 1, 1, 1)},
    processes=(ProcessFigures("worker 0", 1, 1.0, 1, 1, 1, 0.1),),
    disk=DiskFigures(2, 1),
    certificate=CertificateFigures(1, 2),
    short={"memory": "31 MiB of memory can still be had"},
)


def shown() -> set[str]:
    registry = CollectorRegistry()
    registry.register(NodeCollector(FakeMonitoringServices(ALL)))
    return {sample.name for family in registry.collect() for sample in family.samples}


def dashboard() -> Any:
    return json.loads((FOLDER / "grafana.json").read_text())


def rules() -> list[Any]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def queries() -> list[str]:
    """What the panels ask for, as Prometheus gets it."""
    targets = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())]
    return [expression.replace("$__rate_interval", "5m").replace("$node", ".*") for expression in targets]


def test_what_is_asked_for_is_there() -> None:
    asked = [rule["expr"] for rule in rules()] + queries()
    names = set(re.findall(r"\bappliance_\w+", " ".join(asked)))
    assert len(names) > 15
    assert names <= shown(), names - shown()


def test_each_alert_says_what_to_do() -> None:
    assert all(rule["annotations"].keys() == {"summary", "todo"} for rule in rules())
    assert {rule["labels"]["severity"] for rule in rules()} == {"critical", "warning", "info"}


def test_panels_have_a_place_of_their_own_and_a_unit() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        x, y, w, h = (panel["gridPos"][side] for side in "xywh")
        place = {(across, down) for across in range(x, x + w) for down in range(y, y + h)}
        assert not place & taken, panel["title"]
        assert x + w <= 24
        taken |= place
    assert all(panel["fieldConfig"]["defaults"]["unit"] for panel in panels if panel["type"] != "row")


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("needs promtool (Debian package prometheus)")
    return subprocess.run([found, *words], capture_output=True, text=True, cwd=FOLDER)


def test_each_rule_fires_on_what_it_is_for_and_on_nothing_else() -> None:
    judged = promtool("test", "rules", "appliance.rules.test.yml")
    assert judged.returncode == 0, judged.stdout + judged.stderr
    tested = set(re.findall(r"alertname: (\w+)\n", (FOLDER / "appliance.rules.test.yml").read_text()))
    assert tested == {rule["alert"] for rule in rules()}


def test_prometheus_understands_what_the_panels_ask_for(tmp_path: Path) -> None:
    as_rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(queries())]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": as_rules}]}))
    judged = promtool("check", "rules", file)
    assert judged.returncode == 0, judged.stdout + judged.stderr
