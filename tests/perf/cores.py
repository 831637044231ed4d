#!/usr/bin/env python3
"""Whether several workers carry more than one on this machine (root only; iperf3).

usage: .venv/bin/python tests/perf/cores.py [--seconds N] [--rounds N]        prints Markdown for docs/performance.md

Each load runs on a hub with one worker and then on one with two, again and again; medians count. Two independent pairs of nodes
beside one pair show how much there is to gain at all: little, where one flow's nodes and programs fill every core already. What
does not depend on that is what the hub's busiest worker pays for each gigabyte: where there are cores enough, that is the limit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from footprint import cpu_seconds, of
from rigs.hubs import hub

from appliance.lab import tools
from appliance.lab.engine import Lab
from appliance.lab.host import Host

PATIENCE = 20.0
Flow = tuple[Host, Host]


class Load(NamedTuple):
    """Flows that run at the same time, over nodes of which the first's workers are looked at."""

    name: str
    workers: int
    flows: Sequence[Flow]
    nodes: Sequence[Host]


class Found(NamedTuple):
    """What a load came to: Gbit/s of all flows, CPU seconds of all nodes a gigabyte, and those of the hub's busiest worker."""

    speed: float
    cpu: float
    busiest: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each load")
    options = parser.parse_args()
    asyncio.run(measure(options.seconds, options.rounds))


async def measure(seconds: float, rounds: int) -> None:
    async with AsyncExitStack() as stack:
        one, two, beside = [
            await stack.enter_async_context(Lab(definition)) for definition in (hub(workers=1), hub(workers=2), hub(1, workers=1))
        ]
        loads = [*loads_of(one, 1), *loads_of(two, 2), pair(one), pairs(one, beside)]
        loads.sort(key=lambda load: load.name)
        found: dict[int, list[Found]] = {number: [] for number in range(len(loads))}
        for _ in range(rounds):
            for number, load in enumerate(loads):
                found[number].append(await run(load, seconds))
    print(f"{len(os.sched_getaffinity(0))} cores, {rounds} interleaved rounds of {seconds:g} s, medians\n")
    print("| load | workers of the hub | Gbit/s together | CPU s/GB, all nodes | CPU s/GB, the hub's busiest worker |")
    print("|---|---|---|---|---|")
    for number, load in enumerate(loads):
        speed, cpu, busiest = (median(values) for values in zip(*found[number], strict=True))
        print(f"| {load.name} | {load.workers} | {speed:.2f} | {cpu:.2f} | {busiest:.2f} |")


def loads_of(lab: Lab, workers: int) -> list[Load]:
    """What a hub with two spokes can be asked to carry."""
    node, first, second = lab.host("hub"), lab.host("spoke1"), lab.host("spoke2")
    nodes = [node, first, second]
    return [
        Load("two peers to the hub", workers, [(first, node), (second, node)], nodes),
        Load("the hub to two peers", workers, [(node, first), (node, second)], nodes),
        Load("one peer to the other", workers, [(first, second)], nodes),
        Load("two peers to each other", workers, [(first, second), (second, first)], nodes),
    ]


def pair(lab: Lab) -> Load:
    return Load("a pair of nodes", 1, [(lab.host("spoke1"), lab.host("hub"))], [lab.host("hub"), lab.host("spoke1")])


def pairs(one: Lab, other: Lab) -> Load:
    """The most that any way of using more processes could bring."""
    first, second = pair(one), pair(other)
    return Load("two pairs of nodes", 1, [*first.flows, *second.flows], [*first.nodes, *second.nodes])


async def run(load: Load, seconds: float) -> Found:
    workers = (load.nodes[0].status() or {})["worker"]["pids"]
    everybody = [pid for node in load.nodes for pid in of(node) if is_ours(pid)]
    before = {pid: cpu_seconds(pid) for pid in everybody}
    bits = await asyncio.gather(*(flow(source, target, 5201 + n, seconds) for n, (source, target) in enumerate(load.flows)))
    used = {pid: cpu_seconds(pid) - before[pid] for pid in everybody}
    gigabytes = sum(bits) * seconds / 8e9
    return Found(sum(bits) / 1e9, sum(used.values()) / gigabytes, max(used[pid] for pid in workers) / gigabytes)


def is_ours(pid: int) -> bool:
    return b"appliance" in Path(f"/proc/{pid}/cmdline").read_bytes()


async def flow(source: Host, target: Host, port: int, seconds: float) -> float:
    """Bits a second that were received of one TCP flow."""
    server = ["iperf3", "-s", "-1", "--forceflush", "-p", str(port)]
    async with tools.listening(target, server, "Server listening"):
        words = ["iperf3", "-c", tools.address_of(target, 4), "-p", str(port), "-t", f"{seconds:g}", "-J"]
        done = (await source.run(words, timeout=seconds + PATIENCE)).must_work()
    return float(json.loads(done.out)["end"]["sum_received"]["bits_per_second"])


if __name__ == "__main__":
    main()
