"""A stranger's router, the example of examples/plugins: four nodes that tell each other what they reach.

      ┌─ north ─┐
left ─┤         ├─ right, behind which is 192.168.7.0/24
      └─ south ─┘
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from appliance.client import Client
from appliance.errors import ApplianceError, ExitCode
from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from tests.rigs.labs import heals, reaches

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

EXAMPLE = Path(__file__).parents[2] / "examples/plugins/hearsay-routing"
PLUGINS = ["transport-ip", "crypto-standard", "discovery-bootstrap", "routing-static", "hearsay-routing"]
HOME, TARGET = "192.168.7.0/24", "192.168.7.1"
SECONDS = 60.0


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


def line() -> LabFile:
    """Left and right may believe the hub everything inside of the overlay, and left what is behind right."""

    def host(number: int, allowed: dict[str, list[str]], *announces: str, **more: Any) -> dict[str, Any]:
        routing = {"kind": "hearsay", "hearsay": {"announces": [f"10.74.0.{number}/32", *announces]}}
        profile = {"plugins": PLUGINS, "routing": routing, "protocols": {"hearsay": {"every": "1s"}}}
        dialled = {} if "listen" in more else {"endpoints": ["udp://hub:8443"]}
        peers = {name: {"allowed": prefixes, "keepalive": "1s", **dialled} for name, prefixes in allowed.items()}
        return {"addresses": [f"10.74.0.{number}/24"], "peers": peers, "profile": profile, **more}

    hosts = {
        "left": host(1, {"hub": ["10.74.0.0/24", "192.168.0.0/16"]}),
        "hub": host(2, {"left": ["10.74.0.1/32"], "right": ["10.74.0.3/32", HOME]}, forward=True, listen=["udp://0.0.0.0:8443"]),
        "right": host(3, {"hub": ["10.74.0.0/24"]}, HOME),
    }
    wire = {"name": "wan", "hosts": list(hosts), "ipv4": "192.168.90.0/24"}
    return LabFile.model_validate({"lab": 1, "name": "line", "links": [wire], "hosts": hosts})


async def told(host: Host, *words: str) -> Any:
    """What a command of the plugin says there."""
    done = await host.appliance("hearsay", *words, "--json")
    return json.loads(done.out) if done.out else None


async def ways(host: Host) -> dict[str, tuple[str, int]]:
    """Prefix to peer and hops, of the ways that are used."""
    return {way["prefix"]: (way["peer"], way["hops"]) for way in await told(host, "routes") or [] if way["used"]}


async def until(host: Host, prefix: str, way: tuple[str, int] | None) -> None:
    """Until that is the way to `prefix`."""
    async with asyncio.timeout(SECONDS):
        while (await ways(host)).get(prefix) != way:
            pass


async def announce(host: Host, *prefixes: str) -> None:
    """From now on the host announces these, and no others."""
    text = re.sub(r'"?announces"?: \[[^]]*\]', f"announces: {json.dumps(prefixes)}", host.profile.read_text())
    host.profile.write_text(text)
    (await host.appliance("apply")).must_work()


@pytest.mark.usefixtures("installed")
async def test_a_network_is_reached_as_long_as_somebody_says_so() -> None:
    async with Lab(line()) as lab:
        left, hub, right = (lab.host(name) for name in ("left", "hub", "right"))
        (await right.run(["ip", "address", "add", f"{TARGET}/24", "dev", "lo"])).must_work()
        await until(left, HOME, ("hub", 1))
        assert (await ways(hub))[HOME] == ("right", 0)
        await heals(lab, left, TARGET, seconds=SECONDS)
        sessions = {peer: session["session"] for peer, session in left.sessions().items()}

        with Client("").stream("hearsay.changes") as following:
            heard = [left.namespace.call(next, following)]  # it is told of each change from here on
            await announce(right, "10.74.0.3/32")
            await until(left, HOME, None)
            assert not await reaches(left, TARGET, seconds=1)
            assert await reaches(left, "10.74.0.3")

            await announce(right, "10.74.0.3/32", HOME)
            await until(left, HOME, ("hub", 1))
            await heals(lab, left, TARGET, seconds=SECONDS)
            assert {peer: session["session"] for peer, session in left.sessions().items()} == sessions
            heard += [next(following) for _ in range(2)]
        assert [HOME in {way["prefix"] for way in change} for change in heard] == [True, False, True]
        (await right.run(["ip", "address", "del", f"{TARGET}/24", "dev", "lo"])).must_work()
    assert lab.left_behind == []


@pytest.mark.usefixtures("installed")
async def test_a_caller_says_what_it_wants_and_is_told_what_is_wrong_with_that() -> None:
    async with Lab(line()) as lab:
        left = lab.host("left")
        await until(left, HOME, ("hub", 1))
        only = await left.appliance("hearsay", "routes", "--peer", "nobody")
        assert (only.code, only.out) == (1, "nothing was heard\n")
        assert "hub" in (await left.appliance("hearsay", "routes")).out
        assert "hearsay watch" in (await left.appliance("--help")).out
        with pytest.raises(ApplianceError, match=r"hearsay\.routes: pear: unknown key, did you mean 'peer'") as wrong:
            await asyncio.to_thread(left.ask, "hearsay.routes", {"pear": "hub"})
        assert wrong.value.exit_code == ExitCode.INVALID
