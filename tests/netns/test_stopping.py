"""Stopping a daemon at the worst moments, and with plugins that do not play along. The host is as before each time."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.errors import ExitCode
from tests.netns.daemons import Host

pytestmark = pytest.mark.netns

PLUGIN = '''
"""Misbehaves as $STORY says, and tells by the FIFO $ARRIVED when it is there; a plan goes on when somebody reads $GO_ON."""

import asyncio
import os
from contextlib import asynccontextmanager

from appliance.api.hookspecs import hookimpl


def arrive(where):
    if os.environ["STORY"] == where:
        with open(os.environ["ARRIVED"], "w"):
            return True


@hookimpl
def appliance_plan(profile, observed):
    if arrive("plan"):
        with open(os.environ["GO_ON"], "w"):
            pass
    return ()


@hookimpl
def appliance_lifespan(node):
    return life()


@asynccontextmanager
async def life():
    if os.environ["STORY"] == "raises":
        raise RuntimeError("no such moon")
    if arrive("start"):
        await asyncio.Event().wait()
    yield
    if arrive("stop"):
        await asyncio.Event().wait()
'''


class Story:
    """A plugin that can be imported, and where it stands."""

    def __init__(self, folder: Path) -> None:
        self.environ = {"PYTHONPATH": str(folder), "ARRIVED": str(folder / "arrived"), "GO_ON": str(folder / "go-on")}
        info = folder / "story-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: story\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[appliance.v1]\nstory = story\n")
        (folder / "story.py").write_text(PLUGIN)
        for name in ("ARRIVED", "GO_ON"):
            os.mkfifo(self.environ[name])

    def wait(self) -> None:
        """Until the plugin is where it misbehaves."""
        Path(self.environ["ARRIVED"]).read_bytes()

    def go_on(self) -> None:
        """Let the plan be made."""
        Path(self.environ["GO_ON"]).read_bytes()


@pytest.fixture
def told(hosts: tuple[Host, Host], tmp_path: Path) -> Iterator[tuple[Host, Story]]:
    """A host whose profile enables the plugin. What is there afterwards was there before."""
    first, second = hosts
    first.write(second, plugins="story")
    before = first.namespace.snapshot()
    yield first, Story(tmp_path / "plugins")
    if first.process is not None:
        first.stop(signal.SIGKILL)
    assert first.namespace.snapshot() == before


def test_sigterm_while_the_host_is_being_changed(told: tuple[Host, Story]) -> None:
    host, story = told
    host.launch(**story.environ, STORY="plan")
    story.wait()
    assert host.process is not None
    host.process.send_signal(signal.SIGTERM)
    host.hear("stopping")
    story.go_on()
    assert host.ended() == ExitCode.OK
    assert not host.logged("ready")


def test_sigterm_while_a_plugin_starts(told: tuple[Host, Story]) -> None:
    host, story = told
    host.launch(**story.environ, STORY="start")
    story.wait()
    assert "llp0" in host.namespace.sh("ip link")
    assert host.stop() == ExitCode.OK
    assert not host.logged("ready")


def test_a_second_sigterm_leaves_a_plugin_that_does_not_stop_behind(told: tuple[Host, Story]) -> None:
    host, story = told
    host.start(**story.environ, STORY="stop")
    assert host.process is not None
    host.process.send_signal(signal.SIGTERM)
    story.wait()
    assert host.stop() == ExitCode.OK
    assert [line["part"] for line in host.logged("a part did not stop in time")] == ["plugin story"]


def test_a_plugin_that_does_not_start_is_named_and_traffic_flows(told: tuple[Host, Story], hosts: tuple[Host, Host]) -> None:
    host, story = told
    host.start(**story.environ, STORY="raises")
    other = hosts[1]
    other.start()
    assert host.pings("10.8.0.2")
    [fact] = [fact for fact in host.status()["plugins"] if fact["name"] == "story"]
    assert (fact["state"], fact["stage"]) == ("failed", "start")
    assert "no such moon" in fact["problem"]
    assert host.status()["state"] == "degraded"
    assert host.stop() == ExitCode.OK
