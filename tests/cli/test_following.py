"""A node that is followed: what happens to it comes by itself, until it or the follower ends."""

from __future__ import annotations

import json
import select
import signal
import subprocess
from typing import Any

import pytest

from tests.cli.conftest import TIMEOUT, Cli
from tests.cli.test_running import PROFILE, node  # noqa: F401  a fixture
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns


def line(follower: subprocess.Popen[str]) -> dict[str, Any]:
    assert follower.stdout is not None
    assert select.select([follower.stdout], [], [], TIMEOUT)[0]
    said: dict[str, Any] = json.loads(follower.stdout.readline())
    return said


@pytest.mark.usefixtures("node")
def test_events_come_by_themselves_until_the_node_ends(host: Cli, namespace: Throwaway) -> None:
    follower = host.start("events", "--json")
    first = line(follower)
    assert (first["event"], first["state"], first["problems"]) == ("health", "running", {})
    profile = host.profile(PROFILE.replace("server:", "host: {drift: report}\nserver:"))
    assert host("apply").code == 0
    assert line(follower) | {"time": ""} == {"event": "profile", "time": "", "name": "office", "in_force": [str(profile)]}
    namespace.sh("ip link set llp0 down")
    changed = line(follower)
    assert (changed["event"], changed["state"], list(changed["problems"])) == ("health", "degraded", ["host"])


def test_who_follows_hears_that_the_node_ends(host: Cli, node: subprocess.Popen[str]) -> None:  # noqa: F811
    follower, watcher = host.start("events", "--json"), host.start("status", "--watch", "--json")
    assert line(follower)["event"] == "health"
    assert line(watcher)["state"] == "running"
    node.terminate()
    assert line(follower)["error"]["code"] == "stopping"
    assert (follower.wait(TIMEOUT), watcher.wait(TIMEOUT)) == (7, 7)


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("words", [("events", "--json"), ("status", "--watch", "--json")])
def test_ctrl_c_ends_it_without_a_word(host: Cli, words: tuple[str, ...]) -> None:
    follower = host.start(*words)
    line(follower)
    follower.send_signal(signal.SIGINT)
    _, err = follower.communicate(timeout=TIMEOUT)
    assert (follower.returncode, err) == (130, "")


def test_there_is_nothing_to_follow_without_a_node(host: Cli) -> None:
    assert host("events").code == 7
    assert host("status", "--watch").code == 7
