"""The comparison behind docs/adr/0016 measures what it says: both ways move the same packets."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.linux import tun
from tests.netns.throwaway import Throwaway
from tests.perf import io_uring

pytestmark = pytest.mark.netns

DISABLED = Path("/proc/sys/kernel/io_uring_disabled")


@pytest.mark.skipif(not DISABLED.exists() or DISABLED.read_text().strip() == "2", reason="this kernel has io_uring switched off")
def test_both_ways_are_measured_for_each_deed() -> None:
    with Throwaway() as namespace:
        namespace.run(tun.create, "llp0")
        namespace.sh(io_uring.INTERFACE)
        figures = namespace.run(io_uring.measure, 1, 5)
    assert len(figures) == 18
    assert all(found["calls_us"] > 0 < found["ring_us"] for found in figures)
