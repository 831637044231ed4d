"""`appliance plugin check`: installed plugins, folders, and plugins that break or hang."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.errors import PluginFault
from appliance.plugin_host.checking import check
from appliance.plugin_host.scaffold import create


@pytest.fixture(autouse=True)
def _without_schemathesis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:schemathesis")  # here for tests of our own; it takes a second to load


def test_an_installed_plugin() -> None:
    report = check("routing-static")
    assert report.ok
    assert report.suites["routing static"] >= 9
    assert json.loads(json.dumps(report.to_json()))["ok"] is True


def test_a_plugin_that_fails_its_suite(tmp_path: Path) -> None:
    module = _plugin(tmp_path)
    module.write_text(module.read_text().replace("yield Route(prefix, peer,", 'yield Route(prefix, "nobody",'))
    report = check(tmp_path)
    assert not report.ok
    failure = next(failure for failure in report.failures if "peers of the profile only" in failure.test)
    assert (failure.plugin, failure.part) == ("routing-broken", "routing broken")
    assert failure.reason.startswith("assert {'nobody'} <= ")
    assert failure.where.startswith(f"{module}:")


def test_a_plugin_that_cannot_be_imported(tmp_path: Path) -> None:
    module = _plugin(tmp_path)
    module.write_text("import no_such_module\n")
    report = check(tmp_path)
    assert not report.ok
    assert "no_such_module" in report.plugins[0]["problem"]


def test_a_plugin_that_hangs(tmp_path: Path) -> None:
    module = _plugin(tmp_path)
    module.write_text("import threading\nthreading.Event().wait()\n")
    with pytest.raises(PluginFault, match="did not end"):
        check(tmp_path, patience=1.5)


def test_what_is_no_plugin(tmp_path: Path) -> None:
    with pytest.raises(PluginFault, match=r"neither an installed plugin .* nor a folder"):
        check(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    with pytest.raises(PluginFault, match=r"entry-points"):
        check(tmp_path)


def _plugin(folder: Path) -> Path:
    create("broken", "routing", folder)
    return folder / "src/appliance_routing_broken/plugin.py"
