"""`status` for people and programs, from what a daemon answers."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from appliance.cli import entry
from appliance.cli.status_text import lasting, status_text
from appliance.cli.terminal import Terminal
from appliance.control import client

ANSWER: dict[str, Any] = {
    "name": "gateway", "identity": "llp1:abc", "version": "0.1.0", "state": "running", "since": 0.0, "pid": 7, "ready": True,
    "worker": {"pid": 8, "offloads": ["csum", "tso4"], "restarts": 0},
    "interface": {"name": "llp0", "addresses": ["10.8.0.1/24"], "mtu": 1400},
    "listen": ["udp://0.0.0.0:8443"],
    "sessions": [
        {
            "peer": "laptop", "session": "6f", "state": "active", "suite": "aes-256-gcm", "pq": True, "transport": "udp",
            "endpoint": "udp://198.51.100.7:8443", "rx_bytes": 1_500_000, "tx_bytes": 99, "rx_packets": 9, "tx_packets": 1,
            "rtt_ms": 0.4, "age_s": 75.0, "idle_s": 0.1, "epoch": 0,
        }
    ],
    "peers": [
        {"name": "laptop", "identity": "llp1:b", "state": "connected", "endpoints": [], "allowed": [], "last_error": None},
        {
            "name": "cellar", "identity": "llp1:c", "state": "connecting", "endpoints": ["udp://h:1"], "allowed": [],
            "last_error": "timeout",
        },
    ],
    "drops": {"replayed": 3, "short": 0}, "handshakes": {"initiated": 2, "completed": 1}, "plugins": [], "confirm_by": None,
}  # fmt: skip


def text(**changes: Any) -> str:
    return status_text({**ANSWER, **changes}, Terminal(out=io.StringIO(), err=io.StringIO()))


def test_where_names_are_answered() -> None:
    names = {"label": "home", "address": "10.8.0.1", "serve": "host", "servers": [], "questions": {}}
    assert "names      NAME.home, answered at 10.8.0.1" in text(names=names).splitlines()


def test_what_an_admin_sees() -> None:
    assert text().splitlines() == [
        "gateway  running  version 0.1.0, pid 7",
        "identity   llp1:abc",
        "interface  llp0  10.8.0.1/24  mtu 1400",
        "listens    udp://0.0.0.0:8443",
        "worker     pid 8, offloads csum, tso4, restarts 0",
        "",
        "SESSION WITH  STATE   SUITE        PQ   ENDPOINT                 RECEIVED  SENT  RTT     AGE",
        "laptop        active  aes-256-gcm  yes  udp://198.51.100.7:8443  1.5 MB    99 B  0.4 ms  1min 15s",
        "",
        "WITHOUT SESSION  STATE       ENDPOINTS  LAST ERROR",
        "cellar           connecting  udp://h:1  timeout",
        "",
        "handshakes completed 1, initiated 2",
        "drops      replayed 3",
    ]


def test_why_a_session_goes_by_no_better_endpoint() -> None:
    over = {"endpoint": "udp://198.51.100.7:1", "reason": "timeout"}
    lines = text(peers=[{"name": "laptop", "state": "connected", "passed_over": [over]}]).splitlines()
    assert "SESSION WITH  GOES NOT BY           SINCE" in lines
    assert "laptop        udp://198.51.100.7:1  timeout" in lines


def test_a_network_of_members_has_its_line() -> None:
    mesh = {"label": "home", "name": "gateway", "expires": "2027-01-01T00:00:00.000Z", "members": 5}
    assert "network    gateway.home until 2027-01-01T00:00:00.000Z; members 5" in text(mesh=mesh).splitlines()
    more = {"name": None, "set_aside": [{}, {}], "not_taken": {}, "frauds": ["llp1:x"]}
    assert "network    home, no member now; members 5, 2 set aside, 1 frauds" in text(mesh={**mesh, **more}).splitlines()


def test_what_the_policy_denied_has_its_lines() -> None:
    denied = {
        "packets": {"to this node": 7, "passed on": 0},
        "senders": [{"from": "laptop", "packets": 7}, {"from": "10.8.0.9", "packets": 0}],
        "streams": [{"from": "laptop", "service": "ssh", "times": 2}],
        "streams_ended": 0,
    }
    lines = text(policy={"rules": 1, "problem": None, "denied": denied}).splitlines()
    assert "denied     7 packets to this node; most from laptop" in lines
    assert "denied     streams to ssh for laptop 2" in lines
    nothing = {"packets": {"to this node": 0, "passed on": 0}, "senders": [], "streams": []}
    assert not any("denied" in line for line in text(policy={"denied": nothing}).splitlines())


def test_compression_is_shown_where_there_is_any() -> None:
    (plain,) = ANSWER["sessions"]
    idle = {**plain, "compression": "zstd", "rx_bytes": 0, "tx_bytes": 0, "rx_saved": 0, "tx_saved": 0}
    busy = {**plain, "compression": "zstd", "rx_bytes": 3000, "tx_bytes": 1000, "rx_saved": 2000, "tx_saved": 20}
    lines = [line.split() for line in text(sessions=[plain, idle, busy], peers=[]).splitlines()]
    assert lines[6][-1] == "COMPRESSION"
    assert lines[7][-1] == "15s"
    assert lines[8][-1] == "zstd"
    assert lines[9][-4:] == ["zstd,", "50", "%", "less"]


def test_trouble_is_shown() -> None:
    shown = text(
        sessions=[],
        problems={"plugin.x": "no module", "worker": "it does not run"},
        confirm_by=42.0,
    )
    assert "no sessions" in shown
    assert "problem    plugin.x: no module\nproblem    worker: it does not run" in shown
    assert "unconfirmed: everything is undone in 42s unless you run `appliance confirm`" in shown


@pytest.mark.parametrize(("state", "code"), [("running", 0), ("degraded", 5)])
def test_the_state_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: str, code: int
) -> None:
    monkeypatch.setattr(client, "call", lambda op, *args, **more: {**ANSWER, "state": state})
    assert entry.main(["status", "--json"]) == code
    assert json.loads(capsys.readouterr().out)["state"] == state


def test_a_profile_that_does_not_last_is_said() -> None:
    profile = {"in_force": ["/root/a.yaml"], "next": ["/etc/appliance/profile.yaml"], "lasts": False}
    assert lasting(profile) == (
        "in force is /root/a.yaml; a reload without PATH, and the next start, read /etc/appliance/profile.yaml"
    )
    assert lasting({**profile, "lasts": True}) == ""
    assert lasting({**profile, "next": []}).endswith("read the system's profile, and there is none")
