"""The order of a run: rounds, in each round every measurement, in each measurement every contender, one after the other.

So neighbours in time are what ratios are made of. Rigs stay up over all rounds; an idle one costs next to nothing.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from appliance.errors import ApplianceError
from tests.perf.bench import interpreter, probes
from tests.perf.bench.contenders import MAIN, MONITORED, PYTHON, SCHEDULED, VARIANTS, Contender
from tests.perf.bench.figures import BULK_LOADS, LOSSES, PACKET_BYTES, beside, loss_name, packets_name
from tests.perf.bench.handshakes import handshakes_per_second, signatures_per_second
from tests.perf.bench.monitoring import scraped
from tests.perf.bench.results import HANDSHAKE, SIGNATURE, Results
from tests.perf.bench.rig import DEVICE, Rig, raised
from tests.perf.bench.underlay import lossy
from tests.perf.bench.wireguard import program

Figures = Mapping[str, float]
Measurement = Callable[[Rig, float], Awaitable[Figures]]
"""Of a rig, for about so many seconds; its figures by name."""
MB = 1e6


class Step(NamedTuple):
    """A measurement and who takes part."""

    group: str
    contenders: tuple[Contender, ...]
    measure: Measurement


class Effort(NamedTuple):
    """How much: rounds, seconds of each measurement, and the groups that are wanted."""

    rounds: int
    seconds: float
    groups: frozenset[str]


async def flow(rig: Rig, seconds: float) -> Figures:
    """Throughput, and what the daemons used for it."""
    found = await probes.flow(rig, seconds)
    if rig.contender.kind == "veth":
        return {"throughput": found.gbits}
    memory = max(rig.memory_bytes(0), rig.memory_bytes(1)) / MB
    return {"throughput": found.gbits, "cpu": found.cpu_seconds_per_gb, "memory": memory}


async def other_flows(rig: Rig, seconds: float) -> Figures:
    """One flow the other way, and eight at once."""
    back, eight = await probes.flow(rig, seconds, "-R"), await probes.flow(rig, seconds, "-P", "8")
    return {"back": back.gbits, "flows-8": eight.gbits}


async def watched(rig: Rig, seconds: float) -> Figures:
    """Throughput and packets, of a monitored rig while both ends are scraped."""
    async with scraped(rig):
        gbits, cpu = await probes.flow(rig, seconds)
        packets = await probes.packets(rig, seconds, PACKET_BYTES[0])
    return {beside("throughput"): gbits, beside("cpu"): cpu, beside(packets_name(PACKET_BYTES[0])): packets}


async def delays(rig: Rig, seconds: float) -> Figures:
    """Round trips, idle and then loaded."""
    idle, loaded = await probes.echoes(rig, seconds), await probes.loaded_echoes(rig, seconds)
    return {f"{state}-{name}": value for state, d in (("idle", idle), ("loaded", loaded)) for name, value in d._asdict().items()}


async def first_reply(rig: Rig, _seconds: float) -> Figures:
    """The start of two more daemons of the kind."""
    if rig.contender.kind == "veth":
        return {}
    async with raised(rig.contender) as another:
        return {"first-reply": another.first_reply}


def lossy_flow(percent: float) -> Measurement:
    """Throughput on a wire that loses datagrams."""

    async def measure(rig: Rig, seconds: float) -> Figures:
        async with lossy(rig.hosts, DEVICE, percent):
            return {loss_name(percent): (await probes.flow(rig, seconds)).gbits}

    return measure


def packet_rate(size: int) -> Measurement:
    """Packets a second."""

    async def measure(rig: Rig, seconds: float) -> Figures:
        return {packets_name(size): await probes.packets(rig, seconds, size)}

    return measure


def interactive(load: str) -> Measurement:
    """Round trips of the interactive class while a bulk class saturates."""

    async def measure(rig: Rig, seconds: float) -> Figures:
        found = await probes.interactive_echoes(rig, seconds, load)
        return {f"{load}-p50": found.p50, f"{load}-p99": found.p99}

    return measure


STEPS = (
    Step("throughput", (*MAIN, *VARIANTS), flow),
    Step("flows", MAIN, other_flows),
    *(Step("loss", MAIN, lossy_flow(percent)) for percent in LOSSES),
    *(Step("packets", MAIN, packet_rate(size)) for size in PACKET_BYTES),
    Step("latency", MAIN, delays),
    *(Step("qos", SCHEDULED, interactive(load)) for load in BULK_LOADS),
    Step("start", MAIN, first_reply),
    Step("monitoring", MONITORED, watched),
)
HANDSHAKES = "handshakes"
GROUPS = frozenset(step.group for step in STEPS) | {HANDSHAKES}


async def run(effort: Effort, results: Results) -> None:
    """Fill `results`. What fails is told, kept in `failures`, and left out."""
    wanted = [step for step in STEPS if step.group in effort.groups]
    names = {contender.name: contender for step in wanted for contender in step.contenders}
    async with _rigs(names, results) as rigs:
        for number in range(1, effort.rounds + 1):
            for step in wanted:
                for rig in (rigs[contender.name] for contender in step.contenders if contender.name in rigs):
                    await _one(step, rig, number, effort.seconds, results)
            _interpreter(number, effort, results)
            if HANDSHAKES in effort.groups:
                results.add(HANDSHAKES, HANDSHAKE, number, handshakes_per_second(effort.seconds / 2))
                results.add(HANDSHAKES, SIGNATURE, number, signatures_per_second(effort.seconds / 2))


def _interpreter(number: int, effort: Effort, results: Results) -> None:
    found = interpreter.measure()
    for group, figure, value in (("throughput", "memory", found.memory_bytes / MB), ("start", "first-reply", found.seconds)):
        if group in effort.groups:
            results.add(figure, PYTHON, number, value)


@asynccontextmanager
async def _rigs(names: Mapping[str, Contender], results: Results) -> AsyncIterator[dict[str, Rig]]:
    async with AsyncExitStack() as stack:
        rigs = {}
        for name, contender in names.items():
            if contender.kind == "wireguard-go" and program() is None:
                continue
            try:
                rigs[name] = await stack.enter_async_context(raised(contender))
            except ApplianceError as error:
                _failed(results, f"{name}: {error}")
        yield rigs


async def _one(step: Step, rig: Rig, number: int, seconds: float, results: Results) -> None:
    try:
        found = await step.measure(rig, seconds)
    except (ApplianceError, OSError, LookupError, ValueError) as error:  # the last two: half a document of iperf3
        _failed(results, f"{step.group}, {rig.contender.name}, round {number}: {error}")
        return
    for figure, value in found.items():
        results.add(figure, rig.contender.name, number, value)
    if found:
        told = " ".join(f"{figure}={value:.3g}" for figure, value in found.items())
        print(f"round {number}  {rig.contender.name:24} {told}", file=sys.stderr, flush=True)


def _failed(results: Results, what: str) -> None:
    results.failures.append(what.splitlines()[0])
    print(f"FAILED {what}", file=sys.stderr, flush=True)
