#!/usr/bin/env python3
"""What an idle node costs on this machine (root only); `make bench` measures everything else.

usage: .venv/bin/python tests/perf/footprint.py [--seconds N]        prints Markdown for docs/performance.md
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
from pathlib import Path

from appliance.lab import processes
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from appliance.lab.loading import load

ROOT = Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
SETTLED_SECONDS = 3.0
"""By then a node has given back what only its start needed."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to watch idle nodes")
    asyncio.run(measure(parser.parse_args().seconds))


async def measure(seconds: float) -> None:
    for name in ("pair", "pair-tcp"):
        async with Lab(load(ROOT / f"profiles/lab/{name}.yaml")) as lab:
            print(f"\n{name}\n")
            await idle(lab.host("left"), seconds)


async def idle(host: Host, seconds: float) -> None:
    await asyncio.sleep(SETTLED_SECONDS)
    print("| process | RSS MB | private MB | idle CPU % |\n|---|---|---|---|")
    before = {pid: cpu_seconds(pid) for pid in of(host)}
    await asyncio.sleep(seconds)
    for pid, used in before.items():
        percent = (cpu_seconds(pid) - used) / seconds * 100
        print(f"| {role(pid)} | {memory(pid, 'Rss'):.1f} | {private(pid):.1f} | {percent:.2f} |")


def of(host: Host) -> list[int]:
    inode = host.namespace.path.stat().st_ino
    return processes.find(lambda entry: (entry / "ns/net").stat().st_ino == inode)


def role(pid: int) -> str:
    return "worker" if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes() else "control"


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int, noun: str) -> float:
    found = re.search(rf"^{noun}:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def private(pid: int) -> float:
    return memory(pid, "Private_Clean") + memory(pid, "Private_Dirty")


if __name__ == "__main__":
    main()
