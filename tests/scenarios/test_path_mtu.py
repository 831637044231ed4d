"""Black holes: a router in the middle drops what is too long and says nothing. The overlay comes up and carries on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from rigs.labs import heals, pair, reaches

from appliance.lab import tools
from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

RIGHT_V4 = "10.70.0.2"
SECONDS = 40.0
"""From the daemons' start to the last byte of the transfer, on a machine that has other things to do."""
PATIENCE = 60.0
"""Until a size is found there."""
UDP_HEADERS = {4: 28, 6: 48}
GRAIN = 16


def definition(version: int = 4, **more: Any) -> LabFile:
    if version == 4:
        return pair(**more)
    return pair(endpoints=("udp://[fd70:1::2]:8443",), listen=("udp://[::]:8443",), **more)


async def drop_longer(lab: Lab, mtu: int) -> None:
    """Neither host takes outer packets longer than `mtu`. The kernel of the sender learns nothing, as behind a bad router.

    A veth passes on what the sender's kernel has not segmented yet, so this drops super-packets whatever their datagrams' size.
    """
    rule = f"iifname wan udp dport != 0 meta length > {mtu} drop;"
    for name in ("left", "right"):
        table = f"table inet hole {{ chain in {{ type filter hook input priority -300; {rule} }}; }}"
        (await lab.host(name).run(["nft", table])).must_work()


async def mend(lab: Lab) -> None:
    for name in ("left", "right"):
        (await lab.host(name).run(["nft", "delete table inet hole"])).must_work()


def session(lab: Lab, host: str, peer: str) -> Mapping[str, Any]:
    return lab.host(host).sessions().get(peer, {})


@pytest.mark.parametrize(("mtu", "version"), [(1280, 4), (1124, 4), (576, 4), (1280, 6)])
async def test_a_megabyte_goes_through_a_black_hole(mtu: int, version: int) -> None:
    async with Lab(definition(version), start=False) as lab:
        await drop_longer(lab, mtu)
        clock = asyncio.get_running_loop().time
        begun = clock()
        lab.start()
        await lab.wait_for_sessions()
        met = clock() - begun
        left, right = lab.host("left"), lab.host("right")
        sent, received = await tools.transfer(left, right, 4, str(1 << 20))
        there = clock() - begun
        assert sent["sha256"] == received["sha256"]
        sent, received = await tools.transfer(right, left, 4, str(1 << 20))
        took = clock() - begun
        assert sent["sha256"] == received["sha256"]
        print(f"mtu {mtu} IPv{version}: session {met:.2f} s, 1 MiB there {there:.2f} s, and back {took:.2f} s")
        assert took < SECONDS
        best = mtu - UDP_HEADERS[version]
        for host, peer in (("left", "right"), ("right", "left")):
            await lab.until(lambda host=host, peer=peer: session(lab, host, peer).get("path_mtu") == "search-complete", PATIENCE)
            assert best - GRAIN < session(lab, host, peer)["datagram"] <= best
    assert lab.left_behind == []


async def test_a_black_hole_that_opens_under_a_session_is_left() -> None:
    async with Lab(definition()) as lab:
        left, right = lab.host("left"), lab.host("right")
        await lab.until(lambda: session(lab, "left", "right").get("datagram") == 1400, PATIENCE)
        before = session(lab, "left", "right")["session"]
        await drop_longer(lab, 1124)
        begun = asyncio.get_running_loop().time()
        sent, received = await tools.transfer(left, right, 4, str(1 << 20))
        assert sent["sha256"] == received["sha256"]
        assert asyncio.get_running_loop().time() - begun < SECONDS
        await lab.until(lambda: session(lab, "left", "right").get("path_mtu") == "search-complete", PATIENCE)
        assert 1096 - GRAIN < session(lab, "left", "right")["datagram"] <= 1096
        assert session(lab, "left", "right")["session"] == before
        await mend(lab)
    assert lab.left_behind == []


async def test_the_kernels_news_is_taken() -> None:
    async with Lab(definition()) as lab:
        left = lab.host("left")
        await lab.until(lambda: session(lab, "left", "right").get("datagram") == 1400, PATIENCE)
        (await left.run(["ip", "route", "add", "192.168.70.2/32", "dev", "wan", "mtu", "1280"])).must_work()
        assert (await left.run(["ping", "-c1", "-W2", "-s", "1300", RIGHT_V4])).code in (0, 1)
        await heals(lab, left, RIGHT_V4, seconds=PATIENCE)
        await lab.until(lambda: session(lab, "left", "right").get("datagram") == 1252, PATIENCE)
        (await left.run(["ip", "route", "del", "192.168.70.2/32"])).must_work()
    assert lab.left_behind == []


async def test_a_size_in_the_profile_is_kept() -> None:
    async with Lab(definition(both={"network": {"datagram": 1000}})) as lab:
        assert await reaches(lab.host("left"), RIGHT_V4)
        found = session(lab, "left", "right")
        assert (found["datagram"], found["path_mtu"]) == (1000, "fixed")
    assert lab.left_behind == []
