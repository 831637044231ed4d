"""Bad wires between real hosts, without nodes: what goes in, and what comes out."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from rigs.labs import bare

from appliance.lab import namespace, processes, tools, traces
from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from appliance.lab.script import ProbeEntry

pytestmark = pytest.mark.netns

SO_RCVBUFFORCE = 33
"""asm-generic/socket.h; Python does not name it."""
LAST, FIRST = 10_000, 10_001
"""Numbers of the datagrams that end a count, and that come before it; one of each gets through."""


def bad(*hosts: str, **impair: Any) -> LabFile:
    """Hosts on one bad wire."""
    definition = bare(*hosts)
    document = definition.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["links"][0]["impair"] = impair
    return LabFile.model_validate(document)


def counted(source: Host, target: Host, address: str, count: int) -> list[int]:
    """Send so many numbered datagrams; which came, in the order in which they came."""
    with target.namespace.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM) as hears:
        hears.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        hears.bind((address, 0))
        with source.namespace.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM) as speaks:
            hears.settimeout(0.2)
            heard = b""
            while not heard:  # what waits in the kernel for the neighbour's address is overtaken by what is sent when it is known
                speaks.sendto(FIRST.to_bytes(4, "big"), hears.getsockname())
                with suppress(TimeoutError):
                    heard = hears.recv(64)
            for number in range(count):
                speaks.sendto(number.to_bytes(4, "big"), hears.getsockname())
            came: list[int] = []
            while not came or came[-1] != LAST:
                speaks.sendto(LAST.to_bytes(4, "big"), hears.getsockname())
                with suppress(TimeoutError):
                    while True:
                        came.append(int.from_bytes(hears.recv(64), "big"))
                        if came[-1] == LAST:
                            break
    return [number for number in came if number < LAST]


async def test_a_wire_loses_its_share_in_runs_and_keeps_the_order() -> None:
    async with Lab(bad("a", "b", loss="20%", burst=5), start=False) as lab:
        came = counted(lab.host("a"), lab.host("b"), "192.168.9.2", 2000)
    lost = sorted(set(range(2000)).difference(came))
    assert came == sorted(came)
    assert 200 < len(lost) < 600
    assert sum(number + 1 in lost for number in lost) > len(lost) / 2, "one at a time, a fifth of them would have a neighbour"
    assert lab.left_behind == []


async def test_a_way_takes_its_time_once_in_each_direction_also_through_a_switch() -> None:
    async with Lab(bad("a", "b", "c", delay="30ms", reorder="10%"), start=False) as lab:
        done = (await lab.host("a").run(["ping", "-n", "-c", "5", "-i", "0.05", "-W", "5", "fd09::3"])).must_work()
        times = [float(found) for found in re.findall(r"time=([\d.]+)", done.out)]
        came = counted(lab.host("b"), lab.host("c"), "192.168.9.3", 500)
    assert max(times) >= 59.0
    assert sorted(came) == list(range(500)), "nothing is lost"
    assert came != sorted(came), "some skip the delay"


async def test_a_slow_wire_is_as_slow_as_it_says_and_carries_checksums() -> None:
    async with Lab(bad("a", "b", rate="8Mbit", queue="1s"), start=False) as lab:
        sent, received = await tools.transfer(lab.host("a"), lab.host("b"), 4, "500000")
    assert sent["sha256"] == received["sha256"]
    assert sent["seconds"] >= 0.4, "half a second at 8 Mbit/s"


async def test_a_lab_whose_wire_ended_early_says_so() -> None:
    lab = Lab(bad("a", "b", delay="1ms"), start=False)
    async with lab:
        inode = lab.switches["wan"].namespace.path.stat().st_ino
        namespace.kill_inhabitants(inode)
    assert lab.left_behind == ["the bad wire wan ended with -9"]


def test_a_killed_labs_bad_wires_are_swept(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    probes = ({"probe": "ping", "from": "a", "to": "b", "count": 1000},)
    definition = bad("a", "b", delay="1ms").model_copy(update={"probes": tuple(map(ProbeEntry.model_validate, probes))})
    file.write_text(definition.model_dump_json(by_alias=True, exclude_none=True))
    process = subprocess.Popen([sys.executable, "-m", "appliance.cli", "lab", file], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = next(line for line in process.stderr if "removed what killed labs left" not in line)  # other tests kill labs
    assert "2 hosts built" in said
    switches = {name: inode for name, inode in inodes(process.pid).items() if name.endswith(".switch")}
    assert len(switches) == 1
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    traces.sweep()  # or another lab that is built meanwhile
    assert not inodes(process.pid)
    assert not processes.find(lambda entry: (entry / "ns/net").stat().st_ino in switches.values())


def inodes(pid: int) -> dict[str, int]:
    """The namespaces of a process's labs, with the kernel's numbers of them."""
    return {name: (namespace.NETNS_DIR / name).stat().st_ino for name in namespace.existing() if name.startswith(f"lab-{pid}-")}
