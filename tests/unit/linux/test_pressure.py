from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from appliance.linux.pressure import HostReader
from appliance.protocol.pressure import Left, Readings

MIB = 1 << 20
MEMINFO = "MemTotal:       4194304 kB\nMemFree:         100 kB\nMemAvailable:    2097152 kB\n"
PSI = "some avg10=12.50 avg60=1.00 avg300=0.10 total=99\nfull avg10=3.25 avg60=0.50 avg300=0.00 total=9\n"


class Kernel:
    """Its files, as a test says."""

    def __init__(self, root: Path) -> None:
        self.proc, self.cgroups = root / "proc", root / "cgroup"
        self.write("proc/meminfo", MEMINFO)
        self.write("proc/self/cgroup", "0::/system.slice/appliance.service\n")

    def write(self, path: str, text: str) -> None:
        file = self.proc.parent / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def group(self, path: str, most: str, used: int, *, files: int = 0) -> None:
        for name, text in (("max", most), ("current", str(used)), ("stat", f"anon 1\ninactive_file {files}\nactive_file 0\n")):
            self.write(f"cgroup/{path}/memory.{name}", text)

    def read(self) -> Readings:
        return HostReader(proc=self.proc, cgroups=self.cgroups).read()


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_this_host(tmp_path: Path) -> None:
    found = HostReader(tmp_path).read()
    assert found.memory is not None
    assert 0 < found.memory.free <= found.memory.most
    assert found.descriptors is not None
    assert found.descriptors.most == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert found.disk is not None
    assert found.late is None


def test_where_the_kernel_says_nothing_nothing_is_known(tmp_path: Path) -> None:
    assert HostReader(proc=tmp_path / "none", cgroups=tmp_path / "none").read() == Readings()


def test_how_long_things_wait(kernel: Kernel) -> None:
    kernel.write("proc/pressure/cpu", PSI)
    kernel.write("proc/pressure/memory", PSI)
    assert kernel.read()[1:4] == (12.5, Left(2048 * MIB, 4096 * MIB), 3.25)


def test_a_group_that_waits_more_than_the_host_counts(kernel: Kernel) -> None:
    kernel.write("proc/pressure/cpu", PSI)
    kernel.group("system.slice/appliance.service", "max", 0)
    kernel.write("cgroup/system.slice/appliance.service/cpu.pressure", PSI.replace("3.25", "80.00"))
    assert kernel.read().cpu == 80


def test_the_tightest_limit_of_all_groups_around_counts(kernel: Kernel) -> None:
    kernel.group("system.slice/appliance.service", str(1024 * MIB), 100 * MIB)
    assert kernel.read().memory == Left(924 * MIB, 1024 * MIB)
    kernel.group("system.slice", str(512 * MIB), 500 * MIB, files=20 * MIB)
    assert kernel.read().memory == Left(32 * MIB, 512 * MIB), "files in memory would make room"
    kernel.group("system.slice", "max", 500 * MIB)
    assert kernel.read().memory == Left(924 * MIB, 1024 * MIB)


def test_a_container_sees_its_own_group_as_the_root(kernel: Kernel) -> None:
    kernel.write("proc/self/cgroup", "0::/\n")
    kernel.group(".", str(256 * MIB), 250 * MIB)
    assert kernel.read().memory == Left(6 * MIB, 256 * MIB)


def test_version_1_of_control_groups(kernel: Kernel) -> None:
    kernel.write("proc/self/cgroup", "9:cpuset:/\n4:memory:/docker/abc\n0::/\n")
    for name, text in (
        ("limit_in_bytes", f"{128 * MIB}"),
        ("usage_in_bytes", f"{120 * MIB}"),
        ("stat", f"total_inactive_file {MIB}\n"),
    ):
        kernel.write(f"cgroup/memory/docker/abc/memory.{name}", text)
    assert kernel.read().memory == Left(9 * MIB, 128 * MIB)
    kernel.write("cgroup/memory/docker/abc/memory.limit_in_bytes", str((1 << 63) - 4096))
    assert kernel.read().memory == Left(2048 * MIB, 4096 * MIB)


@pytest.mark.parametrize("text", ["", "rubbish", "0::", ":::", "\x00", "0::/../../..\n"])
def test_whatever_stands_there_it_does_not_raise(kernel: Kernel, text: str) -> None:
    kernel.group("a", "rubbish", 1)
    for path in ("proc/self/cgroup", "proc/meminfo", "proc/pressure/cpu", "cgroup/memory.max"):
        kernel.write(path, text)
    kernel.read()


def test_descriptors_are_those_of_this_process() -> None:
    reader = HostReader()
    before = reader.read().descriptors
    ends = os.pipe()
    after = reader.read().descriptors
    for end in ends:
        os.close(end)
    assert before is not None
    assert after is not None
    assert after.free == before.free - 2
