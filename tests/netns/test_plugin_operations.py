"""What a plugin can be asked can be asked of the API, too."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ExitCode
from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

PLUGIN = '''
"""Counts."""

from appliance.api.hookspecs import hookimpl
from appliance.api.management import ApiRoute


async def whose(call):
    return {"node": call.services.name, "asked by": call.principal.name}


async def count(call):
    for number in range(3):
        yield number


@hookimpl
def appliance_api_routes():
    return [
        ApiRoute("counter.whose", "node.read", whose, "whose it is"),
        ApiRoute("counter.count", "node.read", count, stream=True),
        ApiRoute("counter.reset", "counter.change", whose),
    ]
'''


@pytest.fixture
def node(namespace: Throwaway) -> Iterator[Host]:
    """In a folder that the API server's user may enter, as /var/lib is one."""
    with tempfile.TemporaryDirectory(prefix="appliance-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        info = folder / "plugins" / "counter-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: counter\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[appliance.v1]\ncounter = counter\n")
        (folder / "plugins" / "counter.py").write_text(PLUGIN)
        namespace.sh("ip link set lo up")
        host, other = Host(namespace, folder, 1), Host(namespace, folder, 2)
        host.write(other, plugins="counter", more="management: {listen: []}")
        host.start(PYTHONPATH=str(folder / "plugins"))
        try:
            host.hear("the API server is ready")
            yield host
        finally:
            host.stop()


def asked(node: Host, operation: str, *arguments: str) -> Any:
    """The answer."""
    ran = node.command("api", operation, *arguments, "--json")
    assert ran.returncode == 0, ran
    return json.loads(ran.stdout)


def test_they_are_listed_asked_and_followed_and_nothing_of_the_core_is(node: Host) -> None:
    assert [each["name"] for each in asked(node, "operations")["items"]] == ["counter.count", "counter.reset", "counter.whose"]
    answer = asked(node, "operations.ask", "operation=counter.whose")["answer"]
    assert answer == {"node": "host-1", "asked by": "root"}
    streamed = node.command("api", "operations.follow", "operation=counter.count", "--json")
    assert [number for number in range(3) if f'"item": {number}' in streamed.stdout] == [0, 1, 2], streamed
    wrong = node.command("api", "operations.ask", "operation=counter.whose", 'arguments:={"no": 1}')
    assert "takes no arguments" in wrong.stderr, wrong
    gone = node.command("api", "operations.ask", "operation=counter.gone")
    assert "no plugin brings counter.gone" in gone.stderr, gone
    core = node.command("api", "operations.ask", "operation=stop")
    assert core.returncode == ExitCode.INVALID, core
