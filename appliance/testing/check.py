"""The runner behind `appliance plugin check`: python -m appliance.testing.check NAME_OR_PATH REPORT.json TOOLS [--lab]

TOOLS is a folder with what was fetched for this check. A plugin is loaded once; its suites and labs use what that gave.
"""

from __future__ import annotations

import json
import site
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from appliance.foundation import plugin_folders
from appliance.foundation.patience import be_brief
from appliance.plugin_host import projects
from appliance.plugin_host.installed import installed
from appliance.plugin_host.plugins import PluginHost
from appliance.plugin_host.projects import NoPlugin

if TYPE_CHECKING:
    from appliance.testing.lab_check import Outcome

IMPORT_SECONDS = 10.0
"""For one import or hook; it takes a fraction of a second."""
COLLECTED = "import __main__\nglobals().update(__main__.collect())\n"
collect: Callable[[], Mapping[str, type[Any]]] = dict
"""Gives the test classes of this run by name to the file that pytest reads."""


class Target(NamedTuple):
    """What is checked. `source` is where its modules are when it is not installed."""

    host: PluginHost
    source: Path | None


def main(arguments: list[str]) -> int:
    """Check and write the report. Returns 0 when a report was written."""
    name, report, tools, *options = arguments
    plugin_folders.use()
    site.addsitedir(tools)
    be_brief(IMPORT_SECONDS)
    target = load(name)
    content = _checked(target, lab="--lab" in options)
    Path(report).write_text(json.dumps(content), encoding="utf-8")
    return 0


def load(name: str) -> Target:
    """The plugin or plugins of a folder or of a name. Raises SystemExit with a sentence when there are none."""
    available = installed()
    if name in available:
        return Target(PluginHost.load([name], available), None)
    if not (Path(name) / "pyproject.toml").is_file():
        raise SystemExit(
            f"{name} is neither an installed plugin ({', '.join(available) or 'none'}) nor a folder with a pyproject.toml"
        )
    try:
        project = projects.read(Path(name))
    except NoPlugin as error:
        raise SystemExit(error.message) from error
    sys.path.insert(0, str(project.source))
    found = project.installed()
    return Target(PluginHost.load(found, found), project.source)


def _checked(target: Target, *, lab: bool) -> dict[str, Any]:
    import pytest  # not before its folder is on the path

    from appliance.testing.recorder import Recorder

    global collect  # noqa: PLW0603  read by the file that pytest collects
    host, recorder = target.host, Recorder(target.host)
    collect = recorder.collect
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "test_conformance.py")
        path.write_text(COLLECTED, encoding="utf-8")
        own = ["-o", "addopts=", "-c", "/dev/null", "--rootdir", folder, "-p", "no:cacheprovider", "-p", "no:xdist", "-q"]
        pytest.main([*own, str(path)], plugins=[recorder])
        outcome = _lab(target, Path(folder), wanted=lab, well=not (recorder.failures or host.broken))
    return {
        "lab": outcome.said,
        "plugins": host.report(),
        "suites": recorder.passed,
        "skipped": recorder.skipped,
        "why_skipped": sorted(recorder.why_skipped),
        "failures": [failure._asdict() for failure in (*recorder.failures, *outcome.failures)],
    }


def _lab(target: Target, folder: Path, *, wanted: bool, well: bool) -> Outcome:
    from appliance.testing.lab_check import Outcome, try_in_labs
    from appliance.testing.parts import wishes_of

    if not wanted:
        return Outcome("not wanted", [])
    if not well:
        return Outcome("not run: the suites must pass first", [])
    return try_in_labs(target.host, wishes_of(target.host), folder, target.source)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
