"""Machines of Vagrant stand on the wires of a lab file as its namespaces do. No machine is started here."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ProfileError
from appliance.lab.definition import LabFile
from appliance.lab.layout import layout_of
from appliance.lab.loading import load
from appliance.lab.ssh_hosts import SshHosts

ROOT = Path(__file__).parents[2]
LABS = sorted((ROOT / "profiles/lab").glob("*.yaml"))
READER = "packaging/vagrant/lab.rb"

pytestmark = pytest.mark.skipif(shutil.which("ruby") is None, reason="needs ruby")


def run(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=300)


def read_by_ruby(*paths: Path) -> list[dict[str, Any]]:
    asked = run("ruby", READER, *paths)
    assert asked.returncode == 0, asked.stderr
    return [json.loads(line) for line in asked.stdout.splitlines()]


def read_by_us(lab: LabFile) -> dict[str, list[dict[str, Any]]]:
    """The cards of each host, as lab.rb tells of them."""
    cards: dict[str, list[dict[str, Any]]] = {host: [] for host in lab.hosts}
    for wire in layout_of(lab).wires:
        for end in wire.ends:
            addresses = [str(address) for address in end.addresses]
            cards[end.machine].append({"name": end.device, "mtu": wire.link.mtu, "addresses": addresses})
    return cards


def reasons(lab: LabFile) -> set[str]:
    """The keys for which machines of Vagrant are no place."""
    deeds = {f"steps[{index}].do" for index, step in enumerate(lab.steps) if step.do in ("cut", "heal", "flush", "uplink")}
    wires = {f"links[{index}].impair" for index, link in enumerate(lab.links) if link.impair is not None}
    hosts = {f"hosts.{name}.behind" for name, host in lab.hosts.items() if host.behind}
    uplinks = {f"hosts.{name}.uplink" for name, host in lab.hosts.items() if host.uplink is not None}
    return deeds | wires | hosts | uplinks | {f"routers.{name}" for name in lab.routers}


def test_each_lab_has_the_same_hosts_and_addresses_or_is_refused_for_its_keys() -> None:
    accepted = set()
    for path, found in zip(LABS, read_by_ruby(*LABS), strict=True):
        lab = load(path)
        if missing := reasons(lab):
            named = {line.strip().split(": ")[0] for line in found["refused"].splitlines() if line.startswith("  ")}
            assert named == missing, path
            assert "--on vms" in found["refused"]
            with pytest.raises(ProfileError):
                SshHosts.refuse(lab)
            continue
        SshHosts.refuse(lab)
        accepted.add(path.stem)
        cards = [card for cards in found.values() for card in cards]
        assert len({card.pop("mac") for card in cards}) == len(cards)
        assert {card.pop("network") for card in cards} == {f"lab-{lab.name}-{link.name}" for link in lab.links}
        assert found == read_by_us(lab), path
    assert {"pair", "pair-tcp", "pair-v6", "hub", "relay-chain"} <= accepted


LINK = "links: [{name: wan, hosts: [left, right], ipv4: 192.168.70.0/24}]\n"
HOSTS = "hosts: {left: {}, right: {}}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no lab file"),
        ("profile: 1\n", "is no lab file"),
        ("lab: 1\nlinks: [\n", "cannot be read"),
        (f"lab: 1\nname: one\n{LINK}hosts: {{left: {{}}}}\n", "is no valid lab file"),
        (f"lab: 1\nname: one\n{LINK.replace('/24', '/x')}{HOSTS}", "is no valid lab file"),
        (f"lab: 1\nname: one\n{LINK.replace('wan', 'eth0')}{HOSTS}", "links[0].name: eth0 is what a machine's own card"),
        (f"lab: 1\nname: one\n{LINK.replace('70', '121')}{HOSTS}", "links[0].ipv4: 192.168.121.0/24 is not free"),
        (f"lab: 1\nname: one\n{LINK}each: {{behind: symmetric}}\n{HOSTS}", "hosts.right.behind"),
    ],
)
def test_what_is_no_lab_for_vagrant_is_said_in_words(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(text)
    [found] = read_by_ruby(path)
    assert words in found["refused"]


def test_a_file_that_is_not_there_is_said() -> None:
    [found] = read_by_ruby(Path("nowhere.yaml"))
    assert "nowhere.yaml cannot be read: No such file" in found["refused"]


@pytest.fixture
def vagrant(tmp_path: Path) -> dict[str, str]:
    """An environment in which Vagrant leaves nothing in this tree."""
    if shutil.which("vagrant") is None:
        pytest.skip("needs vagrant")
    home = str(tmp_path)
    return {"HOME": home, "VAGRANT_HOME": f"{home}/home", "VAGRANT_DOTFILE_PATH": f"{home}/state", "VAGRANT_CWD": str(ROOT)}


def test_vagrant_takes_the_file_and_lays_closed_wires_with_our_addresses(vagrant: dict[str, str]) -> None:
    labs = [path for path in LABS if path.stem in ("pair", "pair-v6", "relay-chain")]
    asked = run("ruby", "tests/repo/vagrant_view.rb", *labs, BOX="debian/trixie64", **vagrant)
    assert asked.returncode == 0, asked.stderr
    views = json.loads(asked.stdout)
    for path in labs:
        lab, view = load(path), views[str(path)]
        assert view["code"] == 0, path
        assert list(view["machines"]) == list(lab.hosts)
        for host, cards in read_by_us(lab).items():
            machine = view["machines"][host]
            assert (machine["hostname"], machine["box"]) == (host, "debian/trixie64")
            for card, wire, argument in zip(cards, machine["wires"], machine["arguments"], strict=True):
                name = f"lab-{lab.name}-{card['name']}"
                assert wire["virtualbox__intnet"] == wire["libvirt__network_name"] == name
                assert wire["libvirt__forward_mode"] == "veryisolated", "this computer has no address there"
                assert wire["auto_config"] is False
                mac = ":".join(wire["mac"][at : at + 2] for at in range(0, 12, 2))
                assert argument == f"{card['name']}={mac}={card['mtu']}={','.join(card['addresses'])}"


def test_a_lab_that_vagrant_cannot_have_ends_before_anything_is_made(vagrant: dict[str, str]) -> None:
    asked = run("packaging/vagrant/run.sh", LAB="profiles/lab/web-only.yaml", **vagrant)
    assert asked.returncode == 1
    assert "hosts.laptop.behind: a NAT before a host" in asked.stderr
    assert "vagrant: " not in asked.stderr, "nothing is begun"


def test_without_a_provider_it_says_what_to_install(vagrant: dict[str, str]) -> None:
    if shutil.which("VBoxManage") or "vagrant-libvirt" in run("vagrant", "plugin", "list", **vagrant).stdout:
        pytest.skip("there is a provider")
    asked = run("packaging/vagrant/run.sh", **vagrant)
    assert asked.returncode == 1
    assert asked.stderr.startswith("vagrant: no provider: install VirtualBox, or libvirt")


# A `vagrant` that writes down what it is asked, and makes nothing: what is tested is run.sh.
RECORDER = """#!/usr/bin/env bash
echo "$*" >>"$CALLS"
case "$*" in
  "plugin list") echo "vagrant-libvirt (0, system)" ;;
  "status --machine-readable") printf '1,left,state,%s\n1,right,state,not_created\n' "${LEFT:-not_created}" ;;
  up)
    trap 'echo interrupted >>"$CALLS"; exit 1' INT
    while [ "$UP" = waits ]; do read -r -t 60 <>"$CALLS.wait"; done
    ;;
  ssh-config) printf 'Host left right\n  HostName 127.0.0.1\n  Port 9\n' ;;
esac
[ "$*" != "$FAILS" ]
"""


class Recorded:
    """run.sh with that `vagrant`."""

    def __init__(self, folder: Path) -> None:
        self._calls = folder / "calls"
        os.mkfifo(f"{self._calls}.wait")
        self._calls.touch()
        (folder / "vagrant").write_text(RECORDER)
        (folder / "vagrant").chmod(0o755)
        self.environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(self._calls)}

    def start(self, *, up: str = "", fails: str = "", left: str = "not_created") -> subprocess.Popen[bytes]:
        """`up`: "waits" until a signal. `fails`: the words that end with 1. `left`: the state of that machine at first. A group
        of its own, as a shell makes one."""
        environment = self.environment | {"UP": up, "FAILS": fails, "LEFT": left}
        return subprocess.Popen(["packaging/vagrant/run.sh"], cwd=ROOT, env=environment, process_group=0, stderr=subprocess.PIPE)

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines()


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


def test_machines_are_removed_when_they_cannot_all_be_made(recorded: Recorded) -> None:
    running = recorded.start(fails="up")
    running.communicate(timeout=60)
    assert running.returncode == 1
    assert recorded.calls == ["validate --ignore-provider", "plugin list", "status --machine-readable", "up", "destroy -f"]


def test_machines_that_were_there_before_are_left_alone(recorded: Recorded) -> None:
    running = recorded.start(left="running")
    _, said = running.communicate(timeout=60)
    assert running.returncode == 1
    assert b"there already (left)" in said
    assert recorded.calls[-1] == "status --machine-readable"


def test_machines_are_removed_after_a_lab_that_failed_and_its_exit_code_stays(recorded: Recorded) -> None:
    running = recorded.start()
    running.communicate(timeout=60)
    assert running.returncode not in (0, 130)
    assert recorded.calls[3:] == ["up", "ssh-config", "destroy -f"]
    assert not (ROOT / "build/vagrant/ssh_config").exists()


def test_machines_are_removed_after_ctrl_c(recorded: Recorded) -> None:
    running = recorded.start(up="waits")
    while "up" not in recorded.calls:
        assert running.poll() is None
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode == 130
    assert recorded.calls[-2:] == ["interrupted", "destroy -f"]


def test_machines_that_stay_are_told_of(recorded: Recorded) -> None:
    running = recorded.start(fails="destroy -f")
    _, said = running.communicate(timeout=60)
    assert running.returncode != 0
    assert b"could not be removed" in said
