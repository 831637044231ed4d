"""systemd itself judges the service."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.apply.engine import Unconfirmed
from appliance.apply.journal import JournalDamaged
from appliance.errors import ApplyError, ExitCode, HostError, PlanError
from appliance.runtime.host.trial_file import TrialDamaged
from appliance.runtime.host.trial_keeper import Withheld

NETWORKD = "packaging/systemd/networkd.conf"
UNIT = Path(__file__).parents[2] / "packaging/systemd/appliance.service"
TEMPLATE = UNIT.with_name("appliance@.service")
SYSTEM_UNITS = Path("/lib/systemd/system")

pytestmark = pytest.mark.skipif(
    not (shutil.which("systemd-analyze") and SYSTEM_UNITS.is_dir()), reason="needs systemd-analyze (Debian package systemd)"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with systemd's own units, our service and a program where it expects one."""
    shutil.copytree(SYSTEM_UNITS, tmp_path / "lib/systemd/system", symlinks=True)
    for unit in (UNIT, TEMPLATE):
        shutil.copy(unit, tmp_path / "lib/systemd/system")
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/appliance").touch(mode=0o755)
    return tmp_path


def analyze(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", "--no-pager", f"--root={root}", *arguments], capture_output=True, text=True)


def test_the_unit_is_valid(root: Path) -> None:
    run = analyze(root, "verify", "appliance.service")
    assert (run.returncode, run.stderr) == (0, "")


def test_the_template_is_valid_and_differs_in_what_is_named_only(root: Path) -> None:
    run = analyze(root, "verify", "appliance@office.service")
    assert (run.returncode, run.stderr) == (0, "")
    plain, named = (set(unit.read_text().splitlines()) for unit in (UNIT, TEMPLATE))
    assert {line.partition("=")[0] for line in plain - named} == {"Description", "ExecStart"}
    assert {line.partition("=")[0] for line in named - plain if not line.startswith("#")} == {
        "Description",
        "ExecStart",
        "Environment",
    }


def test_a_misspelt_option_would_be_seen(root: Path) -> None:
    with (root / "lib/systemd/system/appliance.service").open("a") as unit:
        unit.write("[Service]\nRestrat=always\n")
    assert "Restrat" in analyze(root, "verify", "appliance.service").stderr


def test_the_sandbox_stays_strong(root: Path) -> None:
    """The rest is what a node does: it reaches the network (1.4), and starts as root to make its worker another user (0.8)."""
    run = analyze(root, "security", "--offline=true", "--threshold=25", "appliance.service")
    assert run.returncode == 0, run.stdout


def test_it_is_not_started_again_for_what_only_a_person_can_mend_and_is_for_the_rest() -> None:
    [line] = [line for line in UNIT.read_text().splitlines() if line.startswith("RestartPreventExitStatus=")]
    final = {ExitCode(int(word)) for word in line.partition("=")[2].split()}
    assert final == {ExitCode.INVALID, ExitCode.PERMISSION, ExitCode.WITHHELD}
    assert {Withheld.exit_code, TrialDamaged.exit_code, JournalDamaged.exit_code} == {ExitCode.WITHHELD}
    assert not {PlanError.exit_code, ApplyError.exit_code, HostError.exit_code, Unconfirmed.exit_code} & final


def test_systemd_networkd_leaves_our_routes_and_rules() -> None:
    settings = UNIT.with_name("networkd.conf").read_text()
    assert "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n" in settings
    package = (UNIT.parents[1] / "debian/nfpm.yaml").read_text()
    assert f"src: {NETWORKD}\n    dst: /usr/lib/systemd/networkd.conf.d/50-appliance.conf" in package
