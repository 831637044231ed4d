"""A stranger's router, the example of examples/plugins: four nodes that tell each other what they reach.

          ┌─ north ─┐
    left ─┤         ├─ right, behind which is 192.168.7.0/24
          └─ south ─┘
"""

from __future__ import annotations

import asyncio
import json
import os
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from tests.rigs.labs import heals

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

EXAMPLE = Path(__file__).parents[2] / "examples/plugins/hearsay-routing"
PLUGINS = ["transport-ip", "crypto-standard", "discovery-bootstrap", "routing-static", "hearsay-routing"]
HOME, TARGET = "192.168.7.0/24", "192.168.7.1"
SECONDS = 15.0


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands and nodes find the example as if it were installed."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    metadata = tmp_path / f"hearsay_routing-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    entries = "\n".join(f"{name} = {value}" for name, value in project["entry-points"]["appliance.v1"].items())
    (metadata / "entry_points.txt").write_text(f"[appliance.v1]\n{entries}\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(EXAMPLE / "src")]))


def square() -> LabFile:
    def profile(*announces: str) -> dict[str, Any]:
        own = {"kind": "hearsay", "hearsay": {"announces": list(announces)}}
        return {"plugins": PLUGINS, "routing": own, "protocols": {"hearsay": {"every": "1s"}}, "limits": {"idle": "3s"}}

    def hub(number: int) -> dict[str, Any]:
        peers = {"left": {"keepalive": "1s"}, "right": {"keepalive": "1s", "allowed": ["10.74.0.4/32", HOME]}}
        listen = ["udp://0.0.0.0:8443"]
        return {"addresses": [f"10.74.0.{number}/24"], "listen": listen, "forward": True, "peers": peers, "profile": profile()}

    def leaf(number: int, *announces: str) -> dict[str, Any]:
        far = ["10.74.0.1/32", "10.74.0.4/32", HOME]
        peers = {
            name: {"endpoints": [f"udp://{name}:8443"], "keepalive": "1s", "allowed": [f"10.74.0.{hub}/32", *allowed]}
            for hub, (name, allowed) in enumerate({"north": far, "south": ["10.74.0.0/24", "192.168.0.0/16"]}.items(), 2)
        }
        mine = f"10.74.0.{number}/32"
        return {"addresses": [f"10.74.0.{number}/24"], "peers": peers, "profile": profile(mine, *announces)}

    wire = {"name": "wan", "hosts": ["left", "north", "south", "right"], "ipv4": "192.168.90.0/24"}
    hosts = {"left": leaf(1), "north": hub(2), "south": hub(3), "right": leaf(4, HOME)}
    return LabFile.model_validate({"lab": 1, "name": "square", "links": [wire], "hosts": hosts})


async def told(host: Host, *words: str) -> Any:
    """What a command of the plugin says there."""
    done = await host.appliance("hearsay", *words, "--json")
    return json.loads(done.out) if done.out else None


async def way_home(host: Host) -> str | None:
    """The peer that is used for the network behind right."""
    ways = await told(host, "routes") or []
    return next((way["peer"] for way in ways if way["prefix"] == HOME and way["used"]), None)


async def until_way_home(host: Host, peer: str) -> None:
    async with asyncio.timeout(SECONDS):
        while await way_home(host) != peer:
            await asyncio.sleep(0.1)


@asynccontextmanager
async def running() -> AsyncIterator[Lab]:
    async with Lab(square()) as lab:
        right = lab.host("right")
        (await right.run(["ip", "address", "add", f"{TARGET}/24", "dev", "lo"])).must_work()
        yield lab


@pytest.mark.usefixtures("installed")
async def test_a_network_is_reached_by_hearsay_and_found_again_another_way() -> None:
    async with running() as lab:
        left, right, north = (lab.host(name) for name in ("left", "right", "north"))
        await until_way_home(left, "north")
        await heals(lab, left, TARGET, seconds=SECONDS)

        following = asyncio.create_task(told(left, "watch", "--count", "2"))
        await asyncio.sleep(0)
        profile = right.profile.read_text().splitlines()
        right.profile.write_text("\n".join(line for line in profile if '"north"' not in line) + "\n")
        (await right.appliance("apply", right.profile)).must_work()

        await until_way_home(left, "south")
        await heals(lab, left, TARGET, seconds=SECONDS)
        assert set(left.sessions()) == {"north", "south"}, "nothing changed for left's own peers"
        assert len(await following) == 2
        refused = await north.appliance("hearsay", "routes", "--peer")
        assert refused.code == 2
        assert (await north.appliance("--help")).out.count("hearsay") >= 2
    assert lab.left_behind == []
