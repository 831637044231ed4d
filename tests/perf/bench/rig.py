"""Two hosts and one contender between them, as the measurements see it: an address that answers, and what the daemons use."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from appliance.lab.machines.machine import LabFailure
from tests.perf.bench.contenders import Contender
from tests.perf.bench.wireguard import OVERHEAD, Tunnel

WIRE = ("192.168.70.1", "192.168.70.2")
INSIDE = ("10.70.0.1", "10.70.0.2")
DEVICE = "wan"
TICKS = os.sysconf("SC_CLK_TCK")
MONITORING = "127.0.0.1:9464"
FIRST_REPLY_SECONDS = 20.0
ASK_AGAIN_SECONDS = 0.02
"""ping fails at once while there is no route."""
_serials = itertools.count(1)


class Rig:
    """Left sends to right. `first_reply` is how many seconds after the start the first echo came back."""

    def __init__(self, contender: Contender, lab: Lab, tunnel: Tunnel | None) -> None:
        self.contender = contender
        self.left: Host = lab.host("left")
        self.right: Host = lab.host("right")
        self.target = WIRE[1] if contender.kind == "veth" else INSIDE[1]
        self.first_reply = 0.0
        self._tunnel = tunnel

    @property
    def hosts(self) -> tuple[Host, Host]:
        """Both."""
        return self.left, self.right

    def cpu_seconds(self) -> float:
        """User and system time of the daemons of both ends since their start."""
        return sum(cpu_seconds(pid) for side in (0, 1) for pid in self.processes(side))

    def memory_bytes(self, side: int) -> float:
        """Resident memory of the daemons of one end."""
        return sum(resident_bytes(pid) for pid in self.processes(side))

    def processes(self, side: int) -> list[int]:
        """The daemons of one end: the node and its worker, or the other tunnel."""
        if self._tunnel is not None:
            return [self._tunnel.daemons[side].pid]
        node = self.hosts[side].node
        return list(family(node.pid)) if node is not None else []

    def workers(self) -> list[int]:
        """The data plane's processes of our node, left first. Raises LabFailure."""
        return [int(((host.status() or {}).get("worker") or {}).get("pid") or 0) for host in self.hosts]


@asynccontextmanager
async def raised(contender: Contender) -> AsyncIterator[Rig]:
    """A rig whose target answers; removed afterwards. Raises LabFailure, HostError."""
    async with Lab(definition(contender), start=False) as lab:
        hosts = lab.host("left"), lab.host("right")
        mark = f"{os.getpid() % 100_000}x{next(_serials)}"
        tunnel = (
            Tunnel(hosts, WIRE, min(contender.mtu, contender.wire_mtu - OVERHEAD), mark)
            if contender.kind == "wireguard-go"
            else None
        )
        rig = Rig(contender, lab, tunnel)
        try:
            begun = time.monotonic()
            if tunnel is not None:
                await tunnel.start()
            elif contender.kind == "ours":
                lab.start()
            await _answers(rig)
            rig.first_reply = time.monotonic() - begun
            yield rig
        finally:
            if tunnel is not None:
                tunnel.stop()


def definition(contender: Contender) -> LabFile:
    """The lab of a contender. The MTU of the others is theirs to set."""
    ours = contender.kind == "ours"
    profile: dict[str, Any] = {"crypto": {"suites": [contender.suite]}, "logging": {"level": "warn"}}
    if contender.monitored:
        profile["monitoring"] = {"prometheus": {"listen": MONITORING}}
    if contender.qos:
        profile["qos"] = {}
    common = {"mtu": contender.mtu, "profile": profile}
    return LabFile.model_validate(
        {
            "lab": 1,
            "name": "bench",
            "links": [{"name": DEVICE, "hosts": ["left", "right"], "ipv4": "192.168.70.0/24", "mtu": contender.wire_mtu}],
            "hosts": {
                "left": {
                    "addresses": [f"{INSIDE[0]}/24"],
                    "peers": {"right": {"endpoints": [f"{contender.scheme}://right:8443"] if ours else []}},
                    **common,
                },
                "right": {
                    "addresses": [f"{INSIDE[1]}/24"],
                    "listen": [f"{contender.scheme}://0.0.0.0:8443"] if ours else [],
                    "peers": {"left": {}},
                    **common,
                },
            },
        }
    )


async def _answers(rig: Rig) -> None:
    try:
        async with asyncio.timeout(FIRST_REPLY_SECONDS):
            while (await rig.left.run(["ping", "-n", "-q", "-c", "1", "-W", "0.1", rig.target])).code:  # noqa: ASYNC110
                await asyncio.sleep(ASK_AGAIN_SECONDS)
    except TimeoutError:
        logs = "\n".join(f"--- {host.name}\n{host.log_tail()}" for host in rig.hosts)
        raise LabFailure(f"{rig.contender.name}: no reply within {FIRST_REPLY_SECONDS:g} s\n{logs}") from None


def family(pid: int) -> Iterator[int]:
    """A process and all below it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return
    yield pid
    for child in children:
        yield from family(int(child))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_bytes(pid: int) -> float:
    """Resident memory of a process, what it shares included."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
