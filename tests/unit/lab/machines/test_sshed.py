"""What a lab says of hosts that it cannot use. What ssh(1) would run there is run here, by a program of that name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.errors import HostError
from appliance.lab.machines.machine import LabFailure
from appliance.lab.machines.notes import Notes
from appliance.lab.machines.sshed import SshMachine
from appliance.lab.naming import Tag

Host = Callable[..., SshMachine]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host, by the shell script that its ssh(1) is; the last word is what is to be run there."""

    def made(script: str, package: Callable[[str, str], Path] = none_fits) -> SshMachine:
        program = tmp_path / "bin/ssh"
        program.parent.mkdir()
        program.write_text(f'#!/bin/bash\nwords="${{@: -1}}"\n{script}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/sbin:/usr/bin:/sbin:/bin")
        directory = tmp_path / "lab/one"
        directory.mkdir(parents=True)
        return SshMachine("one", directory, Path("/etc/hosts.conf"), Tag(1, 2, 3), package)

    return made


def none_fits(release: str, architecture: str) -> Path:
    raise LabFailure(f"no package for {release} on {architecture}")


def test_one_that_is_down_is_to_be_tried_by_hand(host: Host) -> None:
    with pytest.raises(HostError, match="not reached: connection refused") as told:
        host("echo connection refused >&2; exit 255").claim()
    assert told.value.hint == "try: ssh -F /etc/hosts.conf one"


def test_a_shell_that_prints_of_itself_is_told(host: Host) -> None:
    with pytest.raises(LabFailure, match="prints of itself: 'welcome'"):
        host('echo welcome; exec sh -c "$words"').claim()


@pytest.mark.parametrize("lines", ["0 bookworm amd64 -", "0 fedora - systemd"])
def test_what_is_no_debian_with_systemd_is_refused(host: Host, lines: str) -> None:
    with pytest.raises(LabFailure, match="no Debian that systemd runs"):
        host(f"printf '%s\\n' {lines}").claim()


def test_who_is_not_root_is_told_what_sudo_says(host: Host) -> None:
    refuses = 'case $words in sudo*) echo "sudo: a password is required" >&2; exit 1 ;; esac'
    with pytest.raises(LabFailure, match="sudo does not make us root: sudo: a password is required") as told:
        host(f"{refuses}\nprintf '%s\\n' 1000 bookworm amd64 systemd").claim()
    assert "NOPASSWD" in told.value.hint


def test_a_package_is_looked_for_before_anything_is_changed(host: Host) -> None:
    machine = host("printf '%s\\n' 0 noble amd64 systemd")
    with pytest.raises(LabFailure, match="no package for noble on amd64"):
        machine.claim()
    assert machine.remove() == []


def test_nothing_is_begun_once_the_lab_ends(host: Host) -> None:
    machine = host("exit 1")
    machine.abandon()
    with pytest.raises(LabFailure, match="nothing more is begun on one"):
        machine.claim()


def test_what_an_admin_made_of_a_killed_labs_node_is_not_undone(host: Host) -> None:
    notes = Notes("lab-1-2-3 on bench", came=("appliance",)).text()
    script = f"""
case $words in
*flock*) echo held 1; cat >/dev/null ;;
*-newer*) echo /etc/appliance/identity ;;
*'echo yes'*) echo yes ;;
*'cat /var/lib/appliance-lab/notes'*) echo '{notes}' ;;
*'id -u'*) printf '%s\\n' 0 bookworm amd64 systemd ;;
esac"""
    machine = host(script, lambda _release, _architecture: Path("appliance.deb"))
    with pytest.raises(
        LabFailure, match="somebody has written /etc/appliance/identity on one since lab-1-2-3 on bench was killed"
    ):
        machine.claim()
    assert machine.remove() == []
