"""Runs the conformance suites of everything a plugin registers, and two nodes with it: `appliance plugin check NAME_OR_PATH`.

In a process of its own: what a plugin breaks, prints or hangs in stays there. The suites are `appliance.testing.conformance`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from appliance.errors import HostError, PluginFault

RUNNER = "appliance.testing.check"
PATIENCE = 300.0
"""Seconds for all suites and labs; the longest of ours takes thirty."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a plugin did. `plugins` are their facts, `failures` pairs of test and reason; `suites` counts passed tests by suite;
    `lab` is "ok", "failed", or why two nodes were not tried."""

    target: str
    plugins: tuple[Mapping[str, Any], ...]
    suites: Mapping[str, int]
    skipped: int
    failures: tuple[tuple[str, str], ...]
    lab: str = ""

    @property
    def ok(self) -> bool:
        """Did it register something, and did all suites pass?"""
        return bool(self.suites) and not self.failures and all(fact["state"] == "active" for fact in self.plugins)

    def to_json(self) -> dict[str, Any]:
        """JSON-able, with `ok`."""
        return {"ok": self.ok, **asdict(self)}


def check(target: str | Path, *, patience: float = PATIENCE) -> Report:
    """Check an installed plugin by its name, or one in a folder with a pyproject.toml (installed or not).

    Raises HostError when pytest is missing, PluginFault when the plugin cannot be found or does not come to an end.
    """
    name = str(target)
    if find_spec("pytest") is None:
        raise HostError("the conformance suites need pytest", hint=f"{sys.executable} -m pip install pytest")
    with tempfile.TemporaryDirectory(prefix="appliance-check-") as folder:
        result = Path(folder, "report.json")
        try:
            run = subprocess.run(
                [sys.executable, "-m", RUNNER, name, str(result)], capture_output=True, text=True, timeout=patience, check=False
            )
        except subprocess.TimeoutExpired as expired:
            raise PluginFault(
                name, f"its checks did not end within {patience:g} s", hint="look for what waits for ever"
            ) from expired
        if not result.exists():
            last = (run.stderr.strip().splitlines() or [f"ended with {run.returncode}"])[-1]
            raise PluginFault(name, f"its checks broke off: {last}", hint="give an installed plugin's name or a plugin's folder")
        found = json.loads(result.read_text(encoding="utf-8"))
    failures = tuple((test, reason) for test, reason in found["failures"])
    return Report(name, tuple(found["plugins"]), found["suites"], found["skipped"], failures, found["lab"])
