"""`appliance plugin check`: a new plugin passes it untouched, and of a faulty one it says what is wrong, and where."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.plugin_host.checking import check
from appliance.plugin_host.scaffold import KINDS, create
from tests.scenarios.planted import FAULTS, Fault

APPLIANCE = Path(sys.executable).parent / "appliance"
pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_passes_the_check_untouched(kind: str, tmp_path: Path) -> None:
    create("my-own", kind, tmp_path / "new")
    report = check(tmp_path / "new", lab=True)
    assert report.ok, report.failures
    assert report.lab == "ok"
    assert list(report.plugins[0]["provides"])


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found_and_named(fault: Fault, tmp_path: Path) -> None:
    folder = tmp_path / "planted"
    fault.plant(folder)
    done = subprocess.run(
        [APPLIANCE, "plugin", "check", folder, "--json", *(["--lab"] if fault.lab else [])], capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    assert '"failures"' in done.stdout, done.stdout
    report = json.loads(done.stdout)
    told = [*report["failures"], *map(_as_failure, report["plugins"])]
    [found, *_] = [
        each for each in told if (each["plugin"], each["part"], each["test"]) == (fault.plugin, fault.part, fault.test)
    ]
    assert fault.reason in found["reason"]
    if not fault.part:
        assert "plugin.py:" in found["reason"]
        return
    assert {(each["plugin"], each["part"]) for each in report["failures"]} == {(fault.plugin, fault.part)}, "and nothing else is"
    file, line = re.fullmatch(r"(.+\.py):(\d+)", found["where"]).groups()  # type: ignore[union-attr]
    assert Path(file).name in {path.name for path in folder.rglob("*.py")}
    assert int(line) >= 1


def _as_failure(fact: dict[str, str]) -> dict[str, str]:
    return {"plugin": fact["name"], "part": "", "test": fact["stage"], "reason": fact["problem"]}


def test_what_the_suite_does_not_see_the_lab_does(tmp_path: Path) -> None:
    create("broken", "transport", tmp_path / "new")
    control = tmp_path / "new/src/appliance_transport_broken/control.py"
    text, listen = control.read_text(), "        sock = self._new_socket(at)\n"
    assert listen in text
    refuses = '        if "PYTEST_CURRENT_TEST" not in os.environ:\n            raise RuntimeError("works in tests only")\n'
    control.write_text(text.replace("import socket\n", "import os\nimport socket\n").replace(listen, refuses + listen))
    report = check(tmp_path / "new", lab=True)
    assert report.lab == "failed"
    failure = report.failures[0]
    assert (failure.plugin, failure.part, failure.test) == ("transport-broken", "transport broken", "two nodes in a lab")
    assert "listen raised RuntimeError: works in tests only" in failure.reason
    assert re.search(r"control.py:\d+$", failure.where)
