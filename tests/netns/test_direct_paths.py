"""Two nodes behind NATs, with a session over a relay, find a direct path, lose it, and find it again; on the kernel's NATs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from tests.rigs.labs import pinging, reaches

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

SECONDS = 60.0
PORT = 8443


def behind(left: str, right: str) -> LabFile:
    """Left and right behind NATs of these kinds. Both know the hub, which sees them and is their relay."""

    def host(number: int, peers: dict[str, Any], relay: dict[str, Any], **more: Any) -> dict[str, Any]:
        profile = {"paths": {"port_mapping": False}, "relay": relay}
        listen = [f"udp://0.0.0.0:{PORT}"]
        return {"addresses": [f"10.74.0.{number}/24"], "listen": listen, "peers": peers, "profile": profile, **more}

    hub = {"hub": {"endpoints": [f"udp://hub:{PORT}"]}}
    hosts = {
        "hub": host(9, {"left": {}, "right": {}}, {"serve": True}),
        "left": host(1, {**hub, "right": {"endpoints": ["relay://HUB"], "keepalive": "1s"}}, {}, behind=left),
        "right": host(2, {**hub, "left": {"keepalive": "1s"}}, {"at": ["hub"]}, behind=right),
    }
    wan = {"name": "wan", "hosts": list(hosts), "ipv4": "192.168.74.0/24"}
    return LabFile.model_validate({"lab": 1, "name": "nats", "links": [wan], "hosts": hosts})


def rules(lab: Lab, router: str, text: str) -> None:
    """Load further rules on a router."""
    subprocess.run(
        lab.routers[router].namespace.enter(["nft", "-f", "-"]), input=text, text=True, check=True, capture_output=True
    )


@asynccontextmanager
async def running(left: str, right: str) -> AsyncIterator[Lab]:
    """The lab, with a session between left and right over the relay."""
    async with Lab(behind(left, right), start=False) as lab:
        profile = lab.host("left").profile
        profile.write_text(profile.read_text().replace("relay://HUB", f"relay://{lab.host('hub').identity}"))
        lab.start()
        await lab.wait_for_sessions()
        yield lab


def carried(lab: Lab) -> tuple[str, str]:
    """What the sessions of left and right go over, by the status of each."""
    found = [lab.host(one).sessions().get(other, {}) for one, other in (("left", "right"), ("right", "left"))]
    return found[0].get("transport", ""), found[1].get("transport", "")


async def until(lab: Lab, *transports: str) -> None:
    try:
        await lab.until(lambda: carried(lab) == transports, SECONDS)
    except TimeoutError:
        told = [f"--- {host.name}\n{(host.status() or {}).get('paths')}\n{host.log_tail(30)}" for host in lab.hosts.values()]
        raise AssertionError("\n".join([f"{carried(lab)}, wanted {transports}", *told])) from None


async def test_a_session_over_a_relay_becomes_direct_and_survives_an_outage_of_the_direct_path() -> None:
    async with running("port-restricted", "port-restricted") as lab:
        left, right = lab.host("left"), lab.host("right")
        sessions = left.sessions()["right"]["session"], right.sessions()["left"]["session"]
        await until(lab, "udp", "udp")
        external = lab.layout.box("left-nat").external
        assert right.sessions()["left"]["endpoint"].startswith(f"udp://{external}:")
        before = left.sessions()["right"]["rx_bytes"], right.sessions()["left"]["rx_bytes"]
        assert await reaches(left, "10.74.0.2")
        after = left.sessions()["right"]["rx_bytes"], right.sessions()["left"]["rx_bytes"]
        assert all(now > then for now, then in zip(after, before, strict=True))

        async with pinging(left, "10.74.0.2", interval=0.1):
            far = lab.layout.box("right-nat").external
            cut = f"type filter hook forward priority filter - 5; ip daddr {far} drop; ip saddr {far} drop"
            rules(lab, "left-nat", f"table ip cut {{ chain forward {{ {cut}; }}; }}")
            await until(lab, "relay", "relay")
            rules(lab, "left-nat", "delete table ip cut")
            await until(lab, "udp", "udp")
        assert await reaches(left, "10.74.0.2")
        found = json.loads((await left.appliance("netcheck", "--json")).must_work().out)
        assert (found["udp"], found["filtering"], found["mapping"]) == ("yes", "by address and port", "unknown")
        assert found["seen_at"] == [f"udp://{external}:{PORT}"]
        assert "takes 2 more peers" in (await left.appliance("netcheck")).must_work().out
        assert (left.sessions()["right"]["session"], right.sessions()["left"]["session"]) == sessions
    assert lab.left_behind == []


def searched(lab: Lab) -> dict[str, Any]:
    """What left says of its search for right."""
    paths = (lab.host("left").status() or {}).get("paths") or {}
    return dict(paths.get("peers", {}).get("right", {}))


async def test_a_nat_that_counts_its_ports_is_foretold() -> None:
    async with running("symmetric-sequential", "port-restricted") as lab:
        await until(lab, "udp", "udp")
        assert await reaches(lab.host("left"), "10.74.0.2")


async def test_random_against_random_stays_on_the_relay_and_says_so() -> None:
    async with running("symmetric", "symmetric") as lab:
        await lab.until(lambda: "drawn at random" in searched(lab).get("why", ""), SECONDS)
        assert carried(lab) == ("relay", "relay")
        assert not searched(lab)["direct"]
        assert await reaches(lab.host("left"), "10.74.0.2")

        left = lab.host("left")
        left.profile.write_text(
            "\n".join(line for line in left.profile.read_text().splitlines() if not line.startswith("paths:"))
        )
        (await left.appliance("apply")).must_work()
        assert (left.status() or {})["paths"] is None
        assert "does not look for direct paths" in (await left.appliance("netcheck")).err
        assert await reaches(left, "10.74.0.2")
