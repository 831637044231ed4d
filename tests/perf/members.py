"""What a member costs that knows many others and has sessions with some (root only).

usage: .venv/bin/python -m tests.perf.members [--known N] [--connected N] [--settle SECONDS] [--seconds SECONDS]
       prints Markdown for docs/performance.md

All are real nodes on this machine that joined by invitations, but for those that are known only: they have certificates, and are
not there. One ping in ten seconds keeps each session. The longest turn of the control process's loop is what its status says; on
a crowded machine that tells more of the machine than of the node.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from appliance.members.carried import bundle_of, read_bundle
from appliance.members.scope import Grants
from appliance.members.signing import sign_certificate
from appliance.protocol.identity import Identity
from tests.perf.footprint import cpu_seconds, memory, private, role

HUB, NEWCOMER = "hub", "newcomer"
LIFETIME = 30 * 86_400
PATIENCE = 300.0
LOOK_BACK = 10.0
"""Seconds until what was said is written down everywhere."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--known", type=int, default=1000, help="members that the node knows")
    parser.add_argument("--connected", type=int, default=20, help="those of them that it has a session with")
    parser.add_argument("--settle", type=float, default=120.0, help="how long until it counts as idle")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to watch it each time")
    chosen = parser.parse_args()
    asyncio.run(measure(chosen.known, chosen.connected, chosen.settle, chosen.seconds))


async def measure(known: int, connected: int, settle: float, seconds: float) -> None:
    others = [f"m{number}" for number in range(connected)]
    async with Lab(lab_of(others)) as lab:
        hub, newcomer = lab.host(HUB), lab.host(NEWCOMER)
        await hub_takes(hub, known - connected - 1)
        print(f"taken in: {await turns(hub)}")
        begun = time.monotonic()
        await lab.until(lambda: all(known_to(lab.host(name)) >= known - 1 for name in others), PATIENCE)
        print(f"the others have them after {time.monotonic() - begun:.0f} s: {await turns(hub)}")
        await asyncio.sleep(LOOK_BACK)
        await hub.restart()
        await lab.until(lambda: bool((hub.status() or {}).get("ready")), PATIENCE)
        async with pinged(hub, [lab.host(name) for name in others]):
            await lab.until(lambda: len(hub.sessions()) >= connected, PATIENCE)
            print(f"{known_to(hub)} members known, {len(hub.sessions())} sessions")
            print(f"start: {await turns(hub)}\n")
            await watched(hub, "right after the start", seconds)
            await asyncio.sleep(settle)
            await watched(hub, "later", seconds)
            print(f"{len(hub.sessions())} sessions at the end\n")
            await lab.network.join(newcomer)
            begun = time.monotonic()
            await lab.until(lambda: newcomer.status() is not None and known_to(newcomer) >= known, PATIENCE)
            print(f"newcomer: knows {known_to(newcomer)} after {time.monotonic() - begun:.1f} s, {await turns(newcomer)}")


def lab_of(others: list[str]) -> LabFile:
    """A network on one wire."""
    wire = {"name": "wan", "hosts": [HUB, NEWCOMER, *others], "ipv4": "198.51.100.0/24"}
    hosts: dict[str, dict[str, object]] = {name: {} for name in (HUB, NEWCOMER, *others)}
    join = {"do": "join", "host": NEWCOMER}
    mesh = {"label": "home", "founder": HUB}
    return LabFile.model_validate({"lab": 1, "name": "members", "links": [wire], "mesh": mesh, "hosts": hosts, "steps": [join]})


async def hub_takes(hub: Host, count: int) -> None:
    """The owner signs for so many nodes that are not there, and its own node takes the certificates."""
    folder = Path(f"{hub.state_dir}.kept/mesh-home")
    owner, now = Identity.from_pem((folder / "owner.key").read_bytes()), int(time.time())
    network = read_bundle((await hub.appliance("network", "export")).must_work().out).network
    first = int(hub.addresses[0].network.network_address) + 0x8000
    certificates = [
        sign_certificate(
            owner,
            network,
            Identity.generate().public,
            name=f"absent{number}",
            serial=number + 1,
            not_before=now,
            not_after=now + LIFETIME,
            grants=Grants((ipaddress.ip_address(first + number),)),
        )
        for number in range(count)
    ]
    file = hub.directory / "absent"
    file.write_text(bundle_of(network, (each.encoded for each in certificates)))
    (await hub.appliance("network", "import", file)).must_work()


@asynccontextmanager
async def pinged(hub: Host, others: list[Host]) -> AsyncIterator[None]:
    """All of them hear from it now and then."""
    words = [f"ping -q -i 10 {other.addresses[0].ip} >/dev/null 2>&1 &" for other in others]
    pings = await asyncio.create_subprocess_exec(*hub.enter(["sh", "-c", f"{' '.join(words)} wait"]), start_new_session=True)
    try:
        yield
    finally:
        os.killpg(pings.pid, signal.SIGKILL)
        await pings.wait()


async def watched(host: Host, when: str, seconds: float) -> None:
    """What it costs from now on."""
    before, families = {pid: cpu_seconds(pid) for pid in processes_of(host)}, said(host)
    received, sent = await on_the_wire(host)
    began = time.monotonic()
    await asyncio.sleep(seconds)
    took = time.monotonic() - began
    print(f"{when}, {took:.0f} s\n\n| process | RSS MB | private MB | CPU % |\n|---|---|---|---|")
    for pid, used in before.items():
        percent = (cpu_seconds(pid) - used) / took * 100
        print(f"| {role(pid)} | {memory(pid, 'Rss'):.1f} | {private(pid):.1f} | {percent:.2f} |")
    for family, figures in said(host).items():
        gained = {name: round((value - families.get(family, {}).get(name, 0)) * 60 / took, 1) for name, value in figures.items()}
        print(f"\n{family}, a minute: {json.dumps({name: each for name, each in gained.items() if each})}")
    received_now, sent_now = await on_the_wire(host)
    rate = f"{(received_now - received) * 60 / took / 1000:.1f} and {(sent_now - sent) * 60 / took / 1000:.1f} kB"
    print(f"\nreceived and sent on the wire in a minute, with the pings: {rate}\n{await turns(host)}\n")


def processes_of(host: Host) -> list[int]:
    """The node's own: the control process, and its workers."""
    assert host.node is not None
    return [host.node.pid, *(host.status() or {})["worker"]["pids"]]


async def on_the_wire(host: Host) -> tuple[int, int]:
    """Bytes received and sent so far, outside of the overlay."""
    links = json.loads((await host.run(["ip", "-j", "-s", "link"])).must_work().out)
    outside = [link["stats64"] for link in links if link["ifname"] not in ("lo", "llp0")]
    return sum(each["rx"]["bytes"] for each in outside), sum(each["tx"]["bytes"] for each in outside)


def said(host: Host) -> dict[str, dict[str, int]]:
    """What was said in the families of control messages, by name."""
    protocols: dict[str, dict[str, int]] = (host.status() or {}).get("protocols") or {}
    return protocols


async def turns(host: Host) -> str:
    loop: dict[str, Any] = (host.status() or {}).get("loop") or {}
    return f"longest turn of the last minute {loop.get('longest_turn_ms')} ms, {loop.get('late_turns')} longer than 50 ms so far"


def known_to(host: Host) -> int:
    """How many others its `appliance peers` lists."""
    return len(host.ask("peers"))


if __name__ == "__main__":
    main()
