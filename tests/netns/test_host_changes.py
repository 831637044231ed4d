"""The forked process that applies a profile: it does what it is told, says why it did not, and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from appliance.api.profile import Profile
from appliance.errors import ExitCode, HostError
from appliance.runtime import host_changes
from appliance.runtime.host_changes import Changed, Child, HostChangeFailed
from tests.netns.profiles import profile
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

ADMIN = "192.0.2.9 50000 192.0.2.1 22"


def apply(wanted: Profile, state_dir: Path, *, admin: str | None = None) -> Changed:
    child = Child()
    child.tell(wanted, state_dir, ["transport-ip"], confirm_within=None, admin=admin)
    return asyncio.run(child.result())


def test_it_applies_and_the_parent_can_undo(namespace: Throwaway, tmp_path: Path) -> None:
    before = namespace.snapshot()
    changed = namespace.run(apply, profile(), tmp_path)
    assert changed.steps[0] == "TUN device llp0"
    assert changed.recovered == ()
    assert "llp0" in namespace.sh("ip link")
    assert namespace.run(host_changes.undo, tmp_path) == len(changed.steps)
    assert namespace.snapshot() == before


def test_its_reason_comes_with_hint_and_exit_code(namespace: Throwaway, tmp_path: Path) -> None:
    namespace.sh("ip link add eth0 type veth peer name far; ip link set far up; ip link set eth0 up")
    namespace.sh("ip addr add 192.0.2.1/24 dev eth0")
    with pytest.raises(HostChangeFailed, match="cut off your own session") as caught:
        namespace.run(apply, profile(routes=[{"to": "192.0.2.9/32"}]), tmp_path, admin=ADMIN)
    assert caught.value.exit_code == ExitCode.INVALID
    assert "--confirm-within" in caught.value.hint
    assert "llp0" not in namespace.sh("ip link")


def test_a_child_that_is_told_nothing_does_nothing(namespace: Throwaway, tmp_path: Path) -> None:
    def dismissed() -> None:
        child = Child()
        child.dismiss()
        asyncio.run(child.gone())
        asyncio.run(child.gone())

    before = namespace.snapshot()
    namespace.run(dismissed)
    assert namespace.snapshot() == before
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_killed_is_told_of(namespace: Throwaway) -> None:
    def killed() -> None:
        child = Child()
        os.kill(child.pid, signal.SIGKILL)
        asyncio.run(child.result())

    with pytest.raises(HostError, match="died") as caught:
        namespace.run(killed)
    assert "appliance rollback" in caught.value.hint


def test_signals_are_the_parents_affair(namespace: Throwaway, tmp_path: Path) -> None:
    def under_fire() -> Changed:
        child = Child()
        status = Path(f"/proc/{child.pid}/status")
        while not ignores(status.read_text(), signal.SIGTERM):
            pass
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(child.pid, number)
        child.tell(profile(), tmp_path, ["transport-ip"], confirm_within=None, admin=None)
        return asyncio.run(child.result())

    assert namespace.run(under_fire).steps
    namespace.run(host_changes.undo, tmp_path)


def ignores(status: str, number: signal.Signals) -> bool:
    """Does /proc/PID/status show that SIGHUP, which is set last, and `number` are ignored?"""
    mask = int(next(line for line in status.splitlines() if line.startswith("SigIgn:")).split()[1], 16)
    return all(mask >> (each - 1) & 1 for each in (number, signal.SIGHUP))
