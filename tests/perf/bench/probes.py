"""The measurements: each drives one rig for some seconds and returns what came out, or raises LabFailure."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from appliance.lab.machines.machine import LabFailure
from tests.perf.bench.rig import Rig

PORT = "5201"
ECHO_INTERVAL = 0.005
EF, CS1 = 0xB8, 0x20
"""TOS bytes of calls (RFC 3246) and of what asks for less than best effort (RFC 4594)."""
BULK_OPTIONS = {"bulk-flow": (), "bulk-flows": ("-P", "8"), "bulk-packets": ("-u", "-b", "0", "-l", "1200")}
"""Of iperf3, for each of BULK_LOADS."""
WARM_UP_SECONDS = 0.5
"""Slow start, and the record size that adapts, are over by then."""
PATIENCE_SECONDS = 20.0
"""Beyond what a measurement is to last; connecting through 3 % loss may take some."""


class Flow(NamedTuple):
    """One TCP flow, left to right."""

    gbits: float
    cpu_seconds_per_gb: float


class Delays(NamedTuple):
    """Percentiles of round trips in milliseconds."""

    p50: float
    p95: float
    p99: float


async def flow(rig: Rig, seconds: float, *options: str) -> Flow:
    """How fast is one TCP flow, and what does a GB cost the daemons? `options` are further ones of iperf3."""
    before = rig.cpu_seconds()
    end = (await _iperf(rig, "-t", str(math.ceil(seconds)), *options))["end"]
    used = rig.cpu_seconds() - before
    received = end["sum_received"]
    if not received["bytes"]:
        raise LabFailure(f"{rig.contender.name}: no byte of a flow arrived")
    return Flow(received["bits_per_second"] / 1e9, used / (received["bytes"] / 1e9))


async def packets(rig: Rig, seconds: float, size: int) -> float:
    """How many thousand UDP packets a second arrive while left sends all it can?"""
    total = (await _iperf(rig, "-t", str(math.ceil(seconds)), "-u", "-b", "0", "-l", str(size)))["end"]["sum"]
    return float((total["packets"] - total["lost_packets"]) / total["seconds"] / 1e3)


async def echoes(rig: Rig, seconds: float, tos: int = 0) -> Delays:
    """Round trips, one each five milliseconds."""
    count = max(20, round(seconds / ECHO_INTERVAL))
    command = ["ping", "-n", "-Q", str(tos), "-i", f"{ECHO_INTERVAL:g}", "-c", str(count), "-W", "1", rig.target]
    done = await rig.left.run(command)
    times = sorted(float(found) for found in re.findall(r"time=([\d.]+)", done.out))
    if len(times) < count / 2:
        raise LabFailure(f"{rig.contender.name}: only {len(times)} of {count} echoes came back")
    return Delays(*(percentile(times, part) for part in (0.5, 0.95, 0.99)))


async def loaded_echoes(rig: Rig, seconds: float) -> Delays:
    """Round trips while one TCP flow runs in the same direction."""
    async with flowing(rig, seconds + WARM_UP_SECONDS + 1):
        await asyncio.sleep(WARM_UP_SECONDS)
        return await echoes(rig, seconds)


async def interactive_echoes(rig: Rig, seconds: float, load: str) -> Delays:
    """Round trips of packets marked EF while one of BULK_OPTIONS, marked CS1, sends all it can in the same direction."""
    async with flowing(rig, seconds + WARM_UP_SECONDS + 1, "-S", str(CS1), *BULK_OPTIONS[load]):
        await asyncio.sleep(WARM_UP_SECONDS)
        return await echoes(rig, seconds, EF)


@asynccontextmanager
async def flowing(rig: Rig, seconds: float, *options: str) -> AsyncIterator[None]:
    """One TCP flow, or what `options` of iperf3 make of it, in the background for at most so long."""
    async with _server(rig):
        load = asyncio.create_task(
            rig.left.run(_client(rig, ["-t", str(math.ceil(seconds)), *options]), timeout=seconds + PATIENCE_SECONDS)
        )
        try:
            yield
        finally:
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)


def percentile(ordered: Sequence[float], part: float) -> float:
    """The value that this part of them does not exceed."""
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


async def _iperf(rig: Rig, *options: str) -> dict[str, Any]:
    async with _server(rig):
        done = await rig.left.run(_client(rig, options), timeout=float(options[1]) + PATIENCE_SECONDS)
    found: dict[str, Any] = json.loads(done.out or "{}")
    if "error" in found or not found.get("end"):
        raise LabFailure(f"{rig.contender.name}: iperf3: {found.get('error') or done.err.strip()}")
    return found


def _server(rig: Rig) -> Any:
    return rig.right.machine.spawn(["iperf3", "-s", "-1", "--forceflush", "-p", PORT], "Server listening")


def _client(rig: Rig, options: Sequence[str]) -> list[str]:
    return ["iperf3", "-c", rig.target, "-p", PORT, "-J", "--connect-timeout", "5000", *options]
