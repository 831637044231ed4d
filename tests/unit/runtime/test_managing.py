"""Without the section there is no API server, and nothing of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from appliance.runtime.managing import Managing


async def test_a_node_without_the_section_has_none() -> None:
    in_force: Any = SimpleNamespace(profile=SimpleNamespace(management=None))
    nobody: Any = None
    managing = Managing(nobody, in_force, nobody, Path("/nowhere"), nobody)
    await managing.use(nobody)
    operations: Any = {"status": object()}
    assert (managing.shown(), managing.problems(), managing.around(operations)) == (None, {}, operations)


def test_nothing_of_it_is_loaded_before() -> None:
    program = "import sys, appliance.runtime.managing; print([name for name in sys.modules if '.management.' in name])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
