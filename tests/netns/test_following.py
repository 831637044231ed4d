"""Sessions that come and go, told over the control socket."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from typing import Any

import pytest

from tests.netns.daemons import READY, Host

pytestmark = pytest.mark.netns


def test_a_follower_hears_of_sessions(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    words = [*first.entering, sys.executable, "-P", "-m", "appliance.cli", "events", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as follower:
        assert heard(follower)["event"] == "health"
        second.start()
        opened = heard(follower)
        assert (opened["event"], opened["peer"], opened["pq"]) == ("session-opened", "other", True)
        assert opened["endpoint"].startswith("udp://192.0.2.2:")
        assert opened["session"] == first.status()["sessions"][0]["session"]
        shown = json.loads(first.command("top", "--json", "--every", "0.2s").stdout)
        assert [(each["name"], each["state"], each["path"]) for each in shown["peers"]] == [("other", "connected", "direct")]
        assert shown["peers"][0]["sessions"][0]["session"] == opened["session"]
        assert {each["name"] for each in shown["processes"]} == {"control", "worker 0"}
        assert shown["jobs"] is None
        second.stop()
        closed = heard(follower)
        assert (closed["event"], closed["session"], closed["reason"]) == ("session-closed", opened["session"], "disconnected")
        first.stop()
        assert heard(follower)["error"]["code"] == "stopping"


def heard(follower: subprocess.Popen[str]) -> dict[str, Any]:
    assert follower.stdout is not None
    assert select.select([follower.stdout], [], [], READY)[0]
    said: dict[str, Any] = json.loads(follower.stdout.readline())
    return said
