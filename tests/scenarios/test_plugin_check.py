"""`appliance plugin check`: a new plugin of each kind passes its suite, and two real nodes in a laboratory use it."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.plugin_host.checking import check
from appliance.plugin_host.scaffold import KINDS, create

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_passes_the_check_untouched(kind: str, tmp_path: Path) -> None:
    create("my-own", kind, tmp_path / "new")
    report = check(tmp_path / "new")
    assert report.ok, report.failures
    assert report.lab == "ok"
    assert list(report.plugins[0]["provides"])


def test_what_the_suite_does_not_see_the_lab_does(tmp_path: Path) -> None:
    create("broken", "transport", tmp_path / "new")
    control = tmp_path / "new/src/appliance_transport_broken/control.py"
    text, listen = control.read_text(), "        sock = self._new_socket(at)\n"
    assert listen in text
    refuses = '        if "PYTEST_CURRENT_TEST" not in os.environ:\n            raise RuntimeError("works in tests only")\n'
    control.write_text(text.replace("import socket\n", "import os\nimport socket\n").replace(listen, refuses + listen))
    report = check(tmp_path / "new")
    assert report.lab == "failed"
    [(test, reason), *_] = report.failures
    assert test == "transport broken: two nodes in a lab"
    assert "listen raised RuntimeError: works in tests only" in reason
