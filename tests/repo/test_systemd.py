"""systemd itself judges the service."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "packaging/systemd/appliance.service"
SYSTEM_UNITS = Path("/lib/systemd/system")

pytestmark = pytest.mark.skipif(
    not (shutil.which("systemd-analyze") and SYSTEM_UNITS.is_dir()), reason="needs systemd-analyze (Debian package systemd)"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with systemd's own units, our service and a program where it expects one."""
    shutil.copytree(SYSTEM_UNITS, tmp_path / "lib/systemd/system", symlinks=True)
    shutil.copy(UNIT, tmp_path / "lib/systemd/system")
    program = tmp_path / "usr/bin/appliance"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    return tmp_path


def analyze(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", "--no-pager", f"--root={root}", *arguments], capture_output=True, text=True)


def test_the_unit_is_valid(root: Path) -> None:
    run = analyze(root, "verify", "appliance.service")
    assert (run.returncode, run.stderr) == (0, "")


def test_a_misspelt_option_would_be_seen(root: Path) -> None:
    with (root / "lib/systemd/system/appliance.service").open("a") as unit:
        unit.write("[Service]\nRestrat=always\n")
    assert "Restrat" in analyze(root, "verify", "appliance.service").stderr


def test_the_sandbox_stays_strong(root: Path) -> None:
    run = analyze(root, "security", "--offline=true", "--threshold=35", "appliance.service")
    assert run.returncode == 0, run.stdout
