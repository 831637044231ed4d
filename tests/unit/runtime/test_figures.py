from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from appliance.api.monitoring import CertificateFigures, ClassFigures, DiskFigures
from appliance.runtime.figures import Figures, document
from appliance.testing.monitoring import FIGURES


def figures(waited: dict[int, float | None]) -> Figures:
    keeper: Any = SimpleNamespace(waited=lambda: waited)
    driver: Any = None
    return Figures(driver, keeper, lambda: None, since=0.0)  # type: ignore[arg-type,return-value]


def test_this_process_and_its_workers() -> None:
    """The test's parent stands for a worker; the greatest number for one that has ended."""
    control, worker = figures({os.getppid(): 0.001, 2**22 + 1: None}).processes()
    assert (control.name, control.pid, control.waited) == ("control", os.getpid(), None)
    assert control.cpu > 0
    assert (worker.name, worker.pid, worker.waited) == ("worker 0", os.getppid(), 0.001)
    assert worker.memory > 1 << 20


def test_the_disk_of_the_state_folder(tmp_path: Path) -> None:
    of_node = figures({})
    assert of_node.disk() is None
    of_node.state = tmp_path
    found = of_node.disk()
    assert found is not None
    assert found.total >= found.free


def test_for_programs_records_are_objects() -> None:
    now = FIGURES._replace(
        classes={"bulk": ClassFigures(1, 2, 3, 4, 5)}, disk=DiskFigures(10, 5), certificate=CertificateFigures(1, 2)
    )
    told = json.loads(json.dumps(document(now)))
    assert told["loop"] == {"longest": 0.012, "late": 3}
    assert told["classes"]["bulk"]["queued"] == 5
    assert told["sessions"][0]["peer"] == "laptop"
    assert (told["disk"]["free"], told["certificate"]["not_after"]) == (5, 2)
    assert told["processes"] == []
