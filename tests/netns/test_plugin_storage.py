"""What a plugin keeps outlives its node, and operations find the node that they are asked of."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from appliance.client import Client
from appliance.errors import ExitCode
from tests.netns.daemons import Host

pytestmark = pytest.mark.netns

PLUGIN = '''
"""Counts how often the node was started, and tells it."""

from contextlib import asynccontextmanager

from appliance.api.hookspecs import hookimpl
from appliance.api.management import ApiRoute


@hookimpl
@asynccontextmanager
async def appliance_lifespan(node):
    times = int(node.storage.read("times") or 0) + 1
    node.storage.write("times", str(times).encode())
    node.shared["times"] = times
    yield


async def tell(call):
    return {
        "times": call.services.shared["times"],
        "folder": str(call.services.storage.path),
        "node": call.services.name,
        "peers": [peer.name for peer in call.services.peers()],
        "asked by": call.principal.uid,
    }


@hookimpl
def appliance_api_routes():
    return [ApiRoute("counter.times", "node.read", tell)]
'''


@pytest.fixture
def known(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "plugins"
    info = folder / "counter-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: counter\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[appliance.v1]\ncounter = counter\n")
    (folder / "counter.py").write_text(PLUGIN)
    return {"PYTHONPATH": str(folder)}


def asked(host: Host) -> Any:
    """What the operation says to a program in the host's namespace."""
    answer: Any = host.namespace.run(lambda: Client().call("counter.times"))
    return answer


def test_what_a_plugin_keeps_is_there_after_a_restart(hosts: tuple[Host, Host], known: dict[str, str]) -> None:
    first, second = hosts
    first.write(second, plugins="counter")
    for times in (1, 2):
        first.start(**known)
        answer = asked(first)
        assert (answer["times"], answer["node"], answer["peers"]) == (times, "host-1", ["other"])
        assert answer["asked by"] == os.geteuid()
        folder = Path(answer["folder"])
        assert folder.is_relative_to(first.kept)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert first.stop() == ExitCode.OK
        assert json.loads((folder / "times").read_bytes()) == times
