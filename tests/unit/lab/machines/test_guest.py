"""The service of a virtual machine, by a systemctl that remembers what it was told, and a switch for the power."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from appliance.lab.machines import guest
from appliance.lab.machines.guest import GuestMachine, GuestUnit
from tests.rigs.near import Near

SYSTEMCTL = """#!/bin/sh
echo "$*, $(cat {patient} 2>/dev/null | grep -c TimeoutStopSec)" >>{log}
case "$*" in *ActiveState*) echo active ;; esac
"""


class Switch:
    """What cuts the power, and gives it again."""

    running = False

    def cut_power(self) -> None:
        """At once."""
        self.running = False


class Machine(Near):
    """It has power, or not."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "env", f"PATH={folder}:/usr/bin:/bin", "sh", "-c")
        self.guest = Switch()

    def power_on(self) -> None:
        """At once."""
        self.guest.running = True

    def cut_power(self) -> None:
        """At once."""
        self.guest.cut_power()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    patient = tmp_path / "appliance.service.d/40-guest.conf"
    monkeypatch.setattr(guest, "PATIENT", patient)
    (tmp_path / "systemctl").write_text(SYSTEMCTL.format(patient=patient, log=tmp_path / "told"))
    (tmp_path / "systemctl").chmod(0o755)
    return Machine(tmp_path)


def test_a_start_gives_power_and_patience_before_systemd_reads_its_files(machine: Any, tmp_path: Path) -> None:
    service = GuestUnit(cast("GuestMachine", machine))
    service.start()
    assert machine.guest.running
    assert (tmp_path / "told").read_text().splitlines()[0] == "enable --quiet appliance.service, 1"
    assert service.runs


def test_a_kill_takes_the_power(machine: Any) -> None:
    service = GuestUnit(cast("GuestMachine", machine))
    service.start()
    service.kill()
    assert not machine.guest.running
    assert not service.runs, "and nothing is asked of a machine that is off"
