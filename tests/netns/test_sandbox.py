"""What the processes of a running node may do, and who may look into them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from appliance.linux.seccomp import MACHINES
from tests.netns.daemons import Host

pytestmark = pytest.mark.netns

MODE_FILTER = "2"
"""proc(5): Seccomp in /proc/PID/status."""


def facts(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_a_worker_has_no_privileges_and_few_system_calls(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    features = {"network": "workers: 2", "more": "qos: {}", "peering": "compression: zstd"}
    first.write(second, **features)
    second.write(first, endpoints='"udp://192.0.2.1:8443", "tcp://192.0.2.1:8443"', **features)
    for host in hosts:
        host.start(APPLIANCE_SECCOMP="on")
    assert first.pings("10.8.0.2")
    assert second.pings("10.8.0.1")
    for pid in first.status()["worker"]["pids"]:
        found = facts(pid)
        assert {int(found[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
        assert "0" not in found["Uid"].split() + found["Gid"].split()
        assert found["NoNewPrivs"] == "1"
        if os.uname().machine in MACHINES:
            assert found["Seccomp"] == MODE_FILTER
    assert first.status()["worker"]["restarts"] == second.status()["worker"]["restarts"] == 0
    for host in hosts:
        assert not host.logged("the worker died; starting another")


def test_the_control_process_shows_its_memory_to_nobody_of_its_own_rank(hosts: tuple[Host, Host]) -> None:
    first, _ = hosts
    less = "-sys_ptrace,-sys_admin,-perfmon,-checkpoint_restore"
    rank = ("setpriv", f"--bounding-set={less}", f"--inh-caps={less}")
    first.prefix = rank
    first.start()
    assert first.process is not None
    with subprocess.Popen([*rank, "sh", "-c", "echo of that rank; exec sleep 60"], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        for pid, hidden in ((other.pid, False), (first.process.pid, True)):
            done = subprocess.run([*rank, "cat", f"/proc/{pid}/environ"], capture_output=True)
            assert (done.returncode != 0) is hidden, done.stderr
        other.kill()
