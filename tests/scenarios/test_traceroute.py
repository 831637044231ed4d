"""The way through a hub is seen as through any router: hop by hop."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.lab.engine import Lab
from appliance.lab.host import Host
from appliance.lab.loading import load

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

HUB_LAB = Path(__file__).parents[2] / "profiles/lab/hub.yaml"


async def hop(source: Host, target: str, hops: int) -> str:
    """What `ping` says about one echo that may travel so far."""
    return (await source.run(["ping", "-n", "-c", "1", "-W", "60", "-t", str(hops), target])).out


@pytest.mark.parametrize(("hub", "target"), [("10.73.0.1", "10.73.0.4"), ("fd00:73::1", "fd00:73::4")], ids=["v4", "v6"])
async def test_a_hub_is_a_hop(hub: str, target: str) -> None:
    async with Lab(load(HUB_LAB)) as lab:
        north = lab.host("north")
        first, second = await hop(north, target, 1), await hop(north, target, 2)
        assert f"From {hub}" in first
        assert "exceeded" in first
        assert f"from {target}" in second
        assert (lab.host("hub").status() or {})["drops"].get("hop_limit") == 1
    assert lab.left_behind == []
