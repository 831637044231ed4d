"""A stranger's discovery kind, the example of examples/plugins: a hub that learns of its peers from a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from rigs import strangers

from appliance.errors import NoDaemon
from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from tests.rigs.labs import heals

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

NAME = "roster-discovery"
SECONDS = 60.0


@pytest.fixture
def roster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is not there yet; commands and nodes find the example as if it were installed."""
    for name, value in strangers.known(NAME, tmp_path / "environment").items():
        monkeypatch.setenv(name, value)
    return tmp_path / "roster.toml"


def lab_of(roster: Path) -> LabFile:
    """The laptop's profile names the hub; the hub's names nobody."""
    profile = {
        "plugins": ["transport-ip", "crypto-standard", "discovery-bootstrap", "routing-static", NAME],
        "discovery": {"roster": {"file": str(roster), "every": "0.1s"}},
        "peers_from": {"roster": {"allowed": ["10.75.0.2/32"]}},
    }
    hosts = {
        "hub": {"addresses": ["10.75.0.1/24"], "listen": ["udp://0.0.0.0:8443"], "peers": {}, "profile": profile},
        "laptop": {"addresses": ["10.75.0.2/24"], "peers": {"hub": {"endpoints": ["udp://hub:8443"], "keepalive": "1s"}}},
    }
    wire = {"name": "wan", "hosts": list(hosts), "ipv4": "192.168.91.0/24"}
    return LabFile.model_validate({"lab": 1, "name": "roster", "links": [wire], "hosts": hosts})


def entry(name: str, identity: str, prefix: str) -> str:
    return f"[[peers]]\nname = {json.dumps(name)}\nidentity = {json.dumps(identity)}\nallowed = [{json.dumps(prefix)}]\n"


def write(roster: Path, *entries: str) -> None:
    fresh = roster.with_suffix(".new")
    fresh.write_text("".join(entries))
    fresh.replace(roster)


async def until(host: Host, says: Callable[[dict[str, Any]], object]) -> None:
    """Until the node answers, and its status is like that."""
    async with asyncio.timeout(SECONDS):
        while True:
            with suppress(NoDaemon):
                if says(await asyncio.to_thread(host.ask, "status")):
                    return


def problem(status: dict[str, Any]) -> str:
    """What is wrong with the roster."""
    return str(status["problems"].get("discovery.roster", ""))


def peers(status: dict[str, Any]) -> list[str]:
    """Who has a session."""
    return sorted(session["peer"] for session in status["sessions"])


async def test_who_is_in_the_roster_is_a_peer_and_who_is_not_is_none(roster: Path) -> None:
    async with Lab(lab_of(roster)) as lab:
        hub, laptop = lab.host("hub"), lab.host("laptop")
        await until(hub, lambda status: "No such file" in problem(status))
        write(roster, entry("laptop", laptop.identity, "10.75.0.2/32"), entry("greedy", laptop.identity, "10.75.0.0/24"))
        await until(hub, lambda status: peers(status) == ["laptop"] and not problem(status))
        await heals(lab, laptop, "10.75.0.1", seconds=SECONDS)

        roster.write_text("[[peers")
        await until(hub, lambda status: "no TOML" in problem(status))
        assert peers(hub.ask("status")) == ["laptop"]

        write(roster)
        await until(hub, lambda status: not peers(status))
    assert lab.left_behind == []
