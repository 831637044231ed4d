"""The service of a host, by a systemctl that remembers what it was told."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.lab.machines import unit
from appliance.lab.machines.machine import LabFailure
from appliance.lab.machines.unit import Unit
from tests.rigs.near import Near

SYSTEMCTL = """#!/bin/sh
echo "$*" >>{folder}/told
case "$*" in
*start*) [ ! -e {folder}/broken ] || {{ echo "Unit appliance.service is masked." >&2; exit 1; }} ;;
*ActiveState*) cat {folder}/state {folder}/job ;;
*Result*) cat {folder}/result ;;
*ExecMainStatus*) echo 1 ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Near:
    program = tmp_path / "systemctl"
    program.write_text(SYSTEMCTL.format(folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setattr(unit, "NO_RESTART", tmp_path / "appliance.service.d/50-lab.conf")
    says(tmp_path, "active")
    return Near(tmp_path, "env", f"PATH={tmp_path}:/usr/bin:/bin", "sh", "-c")


def says(folder: Path, state: str, result: str = "success", job: str = "") -> None:
    (folder / "state").write_text(f"ActiveState={state}\n")
    (folder / "job").write_text(f"Job={job}\n")
    (folder / "result").write_text(f"{result}\n")


def told(machine: Near) -> list[str]:
    return (machine.directory / "told").read_text().splitlines()


def test_it_starts_now_and_at_each_boot(machine: Near) -> None:
    service = Unit(machine)
    assert not service.runs, "nobody started it"
    service.start()
    assert told(machine) == ["enable --quiet appliance.service", "start --no-block appliance.service"]
    assert service.runs
    assert service.ended is None


def test_a_service_that_failed_says_how(machine: Near) -> None:
    service = Unit(machine)
    service.start()
    says(machine.directory, "failed", "exit-code")
    assert not service.runs
    assert service.ended == "with 1 (exit-code)"


def test_one_that_is_to_be_started_has_not_ended(machine: Near) -> None:
    service = Unit(machine)
    service.start()
    says(machine.directory, "inactive", job="4711")
    assert (service.runs, service.ended) == (True, None)


def test_one_that_cannot_start_says_why(machine: Near) -> None:
    (machine.directory / "broken").touch()
    with pytest.raises(LabFailure, match=r"the node on near does not start: .*is masked"):
        Unit(machine).start()


async def test_an_end_by_force_is_told(machine: Near) -> None:
    service = Unit(machine)
    service.start()
    assert await service.stop() is None
    says(machine.directory, "failed", "timeout")
    assert await service.stop() == "ended with 1 (timeout)"


def test_a_killed_one_stays_dead_until_it_is_started(machine: Near) -> None:
    service = Unit(machine)
    service.start()
    service.kill()
    assert told(machine)[-2:] == ["daemon-reload", "kill --signal=KILL appliance.service"]
    assert "Restart=no" in unit.NO_RESTART.read_text()
    service.start()
    assert not unit.NO_RESTART.exists()
    service.kill()
    service.forget()
    assert not unit.NO_RESTART.exists()
    assert told(machine)[-3:] == ["disable --quiet appliance.service", "daemon-reload", "reset-failed appliance.service"]
