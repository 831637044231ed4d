"""Laboratories for scenarios: small definitions, what a host looks like from outside, and traffic that goes on and on."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from appliance.lab.machines.namespaced import STOP_SECONDS
from tests.netns.throwaway import SNAPSHOT, settled

QUICK = {"limits": {"idle": "3s"}}
"""So that a peer which is gone is noticed within a test's patience."""


def bare(*hosts: str, **more: Any) -> LabFile:
    """Hosts on one wire without nodes: their "overlay" is the wire itself."""
    described = {
        name: {"addresses": [f"192.168.9.{number}/24", f"fd09::{number}/64"], "mtu": 1500} for number, name in enumerate(hosts, 1)
    }
    links = [{"name": "wan", "hosts": list(hosts), "ipv4": "192.168.9.0/24", "ipv6": "fd09::/64"}]
    return LabFile.model_validate({"lab": 1, "name": "bare", "links": links, "hosts": described, **more})


def pair(
    *,
    endpoints: tuple[str, ...] = ("udp://right:8443",),
    listen: tuple[str, ...] = ("udp://0.0.0.0:8443",),
    left: Mapping[str, Any] | None = None,
    both: Mapping[str, Any] | None = None,
) -> LabFile:
    """Left dials right. `left` and `both` are further keys of profiles."""
    return LabFile.model_validate(
        {
            "lab": 1,
            "name": "pair",
            "links": [{"name": "wan", "hosts": ["left", "right"], "ipv4": "192.168.70.0/24", "ipv6": "fd70:1::/64"}],
            "hosts": {
                "left": {
                    "addresses": ["10.70.0.1/24", "fd00:70::1/64"],
                    "peers": {"right": {"endpoints": list(endpoints), "keepalive": "1s"}},
                    "profile": {**(both or {}), **(left or {})},
                },
                "right": {
                    "addresses": ["10.70.0.2/24", "fd00:70::2/64"],
                    "listen": list(listen),
                    "peers": {"left": {"keepalive": "1s"}},
                    "profile": dict(both or {}),
                },
            },
        }
    )


async def snapshot(host: Host) -> dict[str, Any]:
    """All there is to see of a host's network configuration, in a form that compares."""
    seen: dict[str, Any] = {}
    for noun, script in SNAPSHOT.items():
        out = (await host.run(["sh", "-c", script])).out
        seen[noun] = sorted(out.splitlines()) if noun == "settings" else settled(json.loads(out or "[]"))
    return seen


async def reaches(source: Host, target: str, *, seconds: float = 10.0) -> bool:
    """Does an echo come back, at the latest after so long?"""
    done = await source.run(["ping", "-n", "-i", "0.1", "-W", "0.2", "-c", "1", "-w", f"{seconds:g}", target])
    return done.code == 0


async def heals(lab: Lab, source: Host, target: str, *, seconds: float) -> float:
    """Seconds until an echo comes back. Raises AssertionError when that takes longer than `seconds`."""
    begun = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() - begun < seconds:
        if (await source.run(["ping", "-n", "-c", "1", "-W", "0.2", target])).code == 0:
            return asyncio.get_running_loop().time() - begun
    logs = "\n".join(f"--- {host.name}\n{host.log_tail(40)}" for host in lab.hosts.values())
    raise AssertionError(f"no echo from {target} within {seconds:g} s\n{logs}")


def kill_daemon(host: Host, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to the control process of its node. For SIGKILL, wait until the process has ended."""
    assert host.node is not None
    host.node.send_signal(number)
    if number == signal.SIGKILL:
        host.node.wait(STOP_SECONDS)


def kill_worker(host: Host) -> int:
    """Kill the worker of its node with SIGKILL. Its process number; 0 if there was none."""
    pid = int(((host.status() or {}).get("worker") or {}).get("pid") or 0)
    if pid:
        os.kill(pid, signal.SIGKILL)
    return pid


@dataclass
class Echoes:
    """A ping that runs in the background. Numbers are there when it has ended: of those answered, and of those that were not
    although a later one was (the last may have been on its way)."""

    answered: list[int] = field(default_factory=list)
    out: str = field(default="", repr=False)

    @property
    def lost(self) -> list[int]:
        return sorted(set(range(1, max(self.answered, default=0))).difference(self.answered))


@asynccontextmanager
async def pinging(source: Host, target: str, *, interval: float = 0.01, answered: bool = False) -> AsyncIterator[Echoes]:
    """Echoes all the while, until the end. `answered`: the first one has come back when it begins."""
    echoes = Echoes()
    process = await asyncio.create_subprocess_exec(
        *source.namespace.enter(["ping", "-n", "-i", f"{interval:g}", "-W", "1", target]),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    first = b""
    try:
        while answered and b" ttl=" not in first:
            line = await process.stdout.readline()
            assert line, f"no echo came back from {target}: {first.decode()}"
            first += line
        yield echoes
    finally:
        if process.returncode is None:
            process.send_signal(2)
        out, _ = await process.communicate()
        echoes.out = (first + out).decode()
        echoes.answered = [int(number) for number in re.findall(r"icmp_seq=(\d+) ttl=", echoes.out)]


def bound(address: str) -> socket.socket:
    """A datagram socket at an address of the host whose namespace this runs in."""
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind((address, 0))
    return opened
