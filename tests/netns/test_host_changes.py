"""The forked process that applies a profile: it does what it is told, says why it did not, and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from appliance.api.profile import Profile
from appliance.errors import ExitCode, HostError
from appliance.linux import tun
from appliance.runtime.host import changes
from appliance.runtime.host.changes import Changed, Child, HostChangeFailed
from tests.netns.profiles import profile
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

ADMIN = "192.0.2.9 50000 192.0.2.1 22"


def apply(wanted: Profile, state_dir: Path, *, admin: str | None = None) -> Changed:
    child = Child(wanted, None)
    child.tell(state_dir, confirm_within=None, admin=admin)
    return asyncio.run(child.result(nothing))


def nothing() -> None:
    """Nobody attaches to the device."""


def test_it_applies_and_the_parent_can_undo(namespace: Throwaway, tmp_path: Path) -> None:
    before = namespace.snapshot()
    changed = namespace.run(apply, profile(), tmp_path)
    assert changed.steps[0] == "TUN device llp0"
    assert changed.recovered == ()
    assert "llp0" in namespace.sh("ip link")
    assert namespace.run(changes.undo, tmp_path) == len(changed.steps)
    assert namespace.snapshot() == before


def test_the_device_can_be_attached_to_before_it_is_up(namespace: Throwaway, tmp_path: Path) -> None:
    def attached() -> tuple[list[bool], int]:
        child, seen, held = Child(profile(), None), [], []

        def attach() -> None:
            held.append(tun.attach("llp0"))
            seen.append("UP" in link_flags("llp0"))

        child.tell(tmp_path, confirm_within=None, admin=None)
        asyncio.run(child.result(attach))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"waits", ("10.8.0.77", 9))
        return seen, packets_to(held[0].fd, "10.8.0.77")

    assert namespace.run(attached) == ([False], 1)
    namespace.run(changes.undo, tmp_path)


def test_a_parent_that_is_gone_holds_nothing_up(namespace: Throwaway, tmp_path: Path) -> None:
    def left_alone() -> None:
        child = Child(profile(), None)
        child.tell(tmp_path, confirm_within=None, admin=None)
        asyncio.run(child.gone())

    namespace.run(left_alone)
    assert "10.8.0.1/24" in namespace.sh("ip addr show llp0")
    namespace.run(changes.undo, tmp_path)


def test_its_reason_comes_with_hint_and_exit_code(namespace: Throwaway, tmp_path: Path) -> None:
    namespace.sh("ip link add eth0 type veth peer name far; ip link set far up; ip link set eth0 up")
    namespace.sh("ip addr add 192.0.2.1/24 dev eth0")
    with pytest.raises(HostChangeFailed, match="cut off your own session") as caught:
        namespace.run(apply, profile(routes=[{"to": "192.0.2.9/32"}]), tmp_path, admin=ADMIN)
    assert caught.value.exit_code == ExitCode.UNFIT
    assert "--confirm-within" in caught.value.hint
    assert "llp0" not in namespace.sh("ip link")


def test_a_child_that_is_told_nothing_does_nothing(namespace: Throwaway, tmp_path: Path) -> None:
    def dismissed() -> None:
        child = Child(profile(), None)
        child.dismiss()
        asyncio.run(child.gone())
        asyncio.run(child.gone())

    before = namespace.snapshot()
    namespace.run(dismissed)
    assert namespace.snapshot() == before
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_killed_is_told_of(namespace: Throwaway) -> None:
    def killed() -> None:
        child = Child(profile(), None)
        os.kill(child.pid, signal.SIGKILL)
        asyncio.run(child.result(nothing))

    with pytest.raises(HostError, match="died") as caught:
        namespace.run(killed)
    assert "appliance rollback" in caught.value.hint


def test_signals_are_the_parents_affair(namespace: Throwaway, tmp_path: Path) -> None:
    def under_fire() -> Changed:
        child = Child(profile(), None)
        status = Path(f"/proc/{child.pid}/status")
        while not ignores(status.read_text(), signal.SIGTERM):
            pass
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(child.pid, number)
        child.tell(tmp_path, confirm_within=None, admin=None)
        return asyncio.run(child.result(nothing))

    assert namespace.run(under_fire).steps
    namespace.run(changes.undo, tmp_path)


def link_flags(name: str) -> list[str]:
    """As ip(8) shows them."""
    shown = subprocess.run(["ip", "-o", "link", "show", name], capture_output=True, text=True, check=True).stdout
    return shown.partition("<")[2].partition(">")[0].split(",")


def packets_to(tun: int, address: str) -> int:
    """How many IPv4 packets to `address` wait in the device, behind their virtio-net headers."""
    found = 0
    with suppress(BlockingIOError):
        while True:
            found += os.read(tun, 65536)[10:][16:20] == socket.inet_aton(address)
    return found


def ignores(status: str, number: signal.Signals) -> bool:
    """Does /proc/PID/status show that SIGHUP, which is set last, and `number` are ignored?"""
    mask = int(next(line for line in status.splitlines() if line.startswith("SigIgn:")).split()[1], 16)
    return all(mask >> (each - 1) & 1 for each in (number, signal.SIGHUP))
