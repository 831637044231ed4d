"""Laboratories: the hosts of a lab file, each a network namespace, a virtual machine or a host by SSH; a real node on each, and
probes between them.

`run` is the command. Tests and benchmarks use the engine: `appliance.lab.engine.Lab`.
"""

from __future__ import annotations

from pathlib import Path


def run(
    path: Path,
    *,
    json: bool = False,
    keep: bool = False,
    story: bool = False,
    probe: str | None = None,
    on: str | None = None,
    package: Path | None = None,
) -> int:
    """Run a lab file and return the exit code: 0 all ok, 1 a probe failed, 128 + n ended by signal n.

    Raises `ProfileInvalid` (2) for a wrong file and `MissingPrivilege` (6).
    """
    from appliance.lab.command import NAMESPACES, Options
    from appliance.lab.command import run as run_lab

    return run_lab(path, Options(json, keep, story, probe, on or NAMESPACES, package))
