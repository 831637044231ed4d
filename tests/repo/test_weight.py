"""Who loads what: a worker stays small, a command answers at once, and nothing is depended on for nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"asyncio", "prometheus_client", "pydantic", "pyroute2", "ruamel", "scapy"}
IMPORT_NAMES = {"ruamel.yaml": "ruamel"}


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in run.stdout.split()}


@pytest.mark.parametrize(
    "statement",
    [
        "import appliance.worker.__main__",
        "import appliance.worker.loop, appliance_transport_ip.plugin, appliance_crypto_standard.plugin",
        "import appliance.api.transport, appliance.api.crypto",
    ],
)
def test_the_worker_stays_small(statement: str) -> None:
    assert not loaded_by(statement) & HEAVY


def test_the_command_line_loads_what_its_command_needs() -> None:
    assert not loaded_by("import appliance.cli") & (HEAVY - {"asyncio"})


def test_every_dependency_is_used() -> None:
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = [re.split(r"[<>=\[; ]", requirement)[0] for requirement in requirements]
    source = "\n".join(path.read_text() for path in (ROOT / "appliance").rglob("*.py"))
    unused = [
        name
        for name in names
        if not re.search(rf"^\s*(from|import) {IMPORT_NAMES.get(name, name.replace('-', '_'))}\b", source, re.MULTILINE)
    ]
    assert not unused
