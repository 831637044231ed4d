"""The rigs of `make bench` are what they say: a target that answers, losses that happen, and nothing left."""

from __future__ import annotations

import asyncio

import pytest

from appliance.lab.machines.machine import LabFailure
from tests.perf.bench import interpreter, probes
from tests.perf.bench.contenders import ALL
from tests.perf.bench.monitoring import scrape, scraped
from tests.perf.bench.rig import DEVICE, raised
from tests.perf.bench.underlay import lossy

pytestmark = pytest.mark.netns


@pytest.mark.parametrize("name", ["veth", "udp"])
async def test_a_wire_loses_what_it_is_told_to(name: str) -> None:
    async with raised(ALL[name]) as rig:
        assert rig.first_reply > 0
        assert (await probes.echoes(rig, 0.1)).p50 > 0
        async with lossy(rig.hosts, DEVICE, 99.99):
            with pytest.raises(LabFailure, match="0 of 20 echoes"):
                await probes.echoes(rig, 0.1)
        async with lossy(rig.hosts, DEVICE, 0):
            await probes.echoes(rig, 0.1)


async def test_a_node_is_two_processes_that_use_something() -> None:
    async with raised(ALL["tcp"]) as rig:
        while any(len(rig.processes(side)) > 2 for side in (0, 1)):  # noqa: ASYNC110  who changed the host is about to end
            await asyncio.sleep(0.01)
        assert len(rig.processes(0)) == len(rig.processes(1)) == 2
        assert {rig.processes(0)[1], rig.processes(1)[1]} == set(rig.workers())
        assert rig.cpu_seconds() > 0
        assert rig.memory_bytes(0) > 2 * interpreter.measure().memory_bytes


async def test_a_monitored_node_is_scraped_all_the_while_and_another_is_left_alone() -> None:
    async with raised(ALL["udp monitored"]) as rig:
        async with scraped(rig):
            assert (await probes.echoes(rig, 0.1)).p50 > 0
        for host in rig.hosts:
            assert b"process_cpu_seconds_total" in host.namespace.call(scrape)
    async with raised(ALL["udp"]) as rig:
        async with scraped(rig):
            pass
        with pytest.raises(OSError, match="refused"):
            rig.left.namespace.call(scrape)
