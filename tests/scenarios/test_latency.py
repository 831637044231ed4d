"""What the overlay may cost a packet, with room for a loaded machine: docs/performance.md has what it does cost."""

from __future__ import annotations

import re

import pytest
from rigs.labs import pair

from appliance.lab.engine import Lab

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

MOST_MS = 10.0
"""Milliseconds that the overlay may add to a round trip that finds the cores free: one in ten does, whatever runs beside it."""


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_round_trip_costs_less_than_ten_milliseconds_more(transport: str) -> None:
    async with Lab(pair(endpoints=(f"{transport}://right:8443",), listen=(f"{transport}://0.0.0.0:8443",))) as lab:
        took = {}
        for way, target in (("bare", "192.168.70.2"), ("overlay", "10.70.0.2")):
            done = await lab.host("left").run(["ping", "-c", "100", "-i", "0.01", target])
            times = sorted(float(ms) for ms in re.findall(r"time=([\d.]+) ms", done.must_work().out))
            took[way] = times[len(times) // 10]  # ping does not wait for the last of them
        assert took["overlay"] - took["bare"] < MOST_MS
    assert lab.left_behind == []
