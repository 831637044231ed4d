"""Runs the conformance suites of everything a plugin registers, and two nodes with it: `appliance plugin check NAME_OR_PATH`.

In a process of its own: what a plugin breaks, prints or hangs in stays there. The suites are `appliance.testing.conformance`.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from appliance.errors import PluginFault
from appliance.foundation import interpreter
from appliance.plugin_host import pip

RUNNER = "appliance.testing.check"
PATIENCE = 300.0
"""Seconds for all suites and labs; the longest of ours takes thirty."""


class Failure(NamedTuple):
    """One thing that a plugin did wrong."""

    plugin: str
    part: str
    """What of it: "transport pigeon", "suite rot13"."""
    test: str
    """What every such part does, as a sentence."""
    reason: str
    """What this one did instead."""
    where: str
    """"FILE:LINE" of the plugin: where it failed, or where the part is defined; empty when neither is known."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a plugin did."""

    target: str
    """What was to be checked, as it was named."""
    plugins: tuple[Mapping[str, Any], ...]
    """The facts of its plugins (`plugin_host.facts`)."""
    suites: Mapping[str, int]
    """How many tests passed, by part."""
    skipped: int
    """How many tests were skipped, since they are not about such a plugin."""
    failures: tuple[Failure, ...]
    """What went wrong, each named with its part, reason and line."""
    lab: str = "not wanted"
    """"ok", "failed", "not wanted", or why two nodes could not be tried."""
    why_skipped: tuple[str, ...] = ()
    """Each reason once."""

    @property
    def ok(self) -> bool:
        """Did it register something, did all suites pass, and the lab where that was wanted?"""
        well = all(fact["state"] == "active" for fact in self.plugins)
        return bool(self.suites) and not self.failures and well and self.lab in ("ok", "not wanted")

    def to_json(self) -> dict[str, Any]:
        """JSON-able, with `ok`."""
        return {"ok": self.ok, **asdict(self), "failures": [failure._asdict() for failure in self.failures]}


def check(
    target: str | Path, *, lab: bool = False, patience: float = PATIENCE, say: Callable[[str], None] = lambda _text: None
) -> Report:
    """Check an installed plugin by its name, or one in a folder with a pyproject.toml (installed or not).

    `lab`: with two real nodes too. `say` is told of what takes time. Raises PipFailed when there is no pytest and it cannot be
    fetched, PluginFault when the plugin cannot be found or does not come to an end.
    """
    name = str(target)
    with tempfile.TemporaryDirectory(prefix="appliance-check-") as folder:
        tools, result = Path(folder, "tools"), Path(folder, "report.json")
        tools.mkdir()
        if find_spec("pytest") is None:
            say("fetching pytest for this check …")
            pip.run("install", "--target", str(tools), "pytest>=8")
        words = [name, str(result), str(tools), *(["--lab"] if lab else [])]
        try:
            run = subprocess.run(
                interpreter.command(RUNNER, *words), capture_output=True, text=True, timeout=patience, check=False
            )
        except subprocess.TimeoutExpired as expired:
            raise PluginFault(
                name, f"its checks did not end within {patience:g} s", hint="look for what waits for ever"
            ) from expired
        if not result.exists():
            last = (run.stderr.strip().splitlines() or [f"ended with {run.returncode}"])[-1]
            raise PluginFault(name, f"its checks broke off: {last}", hint="give an installed plugin's name or a plugin's folder")
        found = json.loads(result.read_text(encoding="utf-8"))
    failures = tuple(Failure(**failure) for failure in found["failures"])
    return Report(
        name, tuple(found["plugins"]), found["suites"], found["skipped"], failures, found["lab"], tuple(found["why_skipped"])
    )
