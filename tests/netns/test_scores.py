"""Blocks of peers on real nodes: by hand, over the control socket, and across a restart."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from appliance.errors import ExitCode
from tests.chaos.test_hostile_member import hostile
from tests.netns.daemons import Host
from tests.netns.test_mesh import Owner, begin, eventually, wired
from tests.rigs.certified import network

__all__ = ["wired"]

pytestmark = pytest.mark.netns


def with_session(host: Host) -> set[str]:
    return {peer["peer"] for peer in host.status()["sessions"]}


def test_a_peer_that_is_blocked_by_hand_has_no_session_until_it_is_unblocked(wired: tuple[Host, Host, Host]) -> None:
    server, laptop, phone = wired
    begin(wired, Owner())
    done = server.command("peers", "block", "phone.home", "--reason", "it floods")
    assert (done.returncode, done.stdout) == (ExitCode.OK, "phone is blocked until `appliance peers unblock phone`\n"), (
        done.stderr
    )
    server.hear("a peer is blocked")
    assert with_session(server) == {"laptop"}
    assert not phone.pings("10.86.0.1", within=3)
    assert laptop.pings("10.86.0.1")
    assert "blocked by root for" in server.command("peers").stdout
    (blocked,) = [peer for peer in json.loads(server.command("peers", "--json").stdout) if peer.get("blocked")]
    assert (blocked["name"], blocked["connected"], blocked["blocked"]["reason"]) == ("phone", False, "it floods")

    server.stop(signal.SIGKILL)
    server.start()
    assert laptop.pings("10.86.0.1")
    assert with_session(server) == {"laptop"}
    assert "(it floods)" in server.command("peers", "scores").stdout

    again = server.command("peers", "block", "nobody")
    assert (again.returncode, "no other node is called 'nobody' here" in again.stderr) == (ExitCode.FAILURE, True), again.stderr
    assert server.command("peers", "unblock", "phone").stdout == "phone is blocked no more\n"
    eventually(lambda: phone.pings("10.86.0.1"))
    assert server.command("peers", "unblock", "phone").returncode == ExitCode.FAILURE
    assert [host.stop() for host in wired] == [ExitCode.OK] * 3


def test_a_hostile_member_is_blocked_by_the_node_and_the_others_go_on(tmp_path: Path) -> None:
    with network(tmp_path, 3) as three:
        victim, friend, evil = three.hosts
        victim.profile.write_text(victim.profile.read_text().replace("0.0.0.0:8443]", "0.0.0.0:8443, tcp://0.0.0.0:8443]"))
        victim.start()
        friend.start()
        assert friend.pings("10.86.0.1")
        with hostile(victim, evil, three.now, "192.0.2.3") as attack:
            assert with_session(victim) == {"host-2", "host-3"}
            while with_session(victim) != {"host-2"}:
                attack("offer", 100)
                assert friend.pings("10.86.0.1")
            victim.hear("a peer is blocked")
        (bad,) = [each for each in json.loads(victim.command("peers", "scores", "--json").stdout) if each["block"]]
        assert (bad["name"], bad["standing"], bad["block"]["by"]) == ("host-3", "blocked", None)
        assert bad["block"]["reason"] in {"forged-statement", "flood"}
        assert bad["value"] <= -60
        evil.start()
        assert not evil.pings("10.86.0.1", within=3), "its real node is the same member"
        assert friend.pings("10.86.0.1")
