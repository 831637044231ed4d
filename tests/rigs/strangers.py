"""The plugins of examples/plugins, known to a command as if they were installed."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples/plugins"


def known(name: str, environment: Path) -> dict[str, str]:
    """Describe the example `name` in the new folder `environment`. Returns the variables that a command needs to see it."""
    project = tomllib.loads((EXAMPLES / name / "pyproject.toml").read_text())["project"]
    metadata = environment / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    entries = "\n".join(f"{entry} = {value}" for entry, value in project["entry-points"]["appliance.v1"].items())
    (metadata / "entry_points.txt").write_text(f"[appliance.v1]\n{entries}\n")
    return {"PYTHONPATH": os.pathsep.join([str(environment), str(EXAMPLES / name / "src")])}
